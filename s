{"level":"warn","ts":"2026-11-30T23:40:42.037732Z","caller":"embed/config.go:1207","msg":"Running http and grpc server on single port. This is not recommended for production."}
{"level":"warn","ts":"2026-11-30T23:46:56.832250Z","caller":"embed/config.go:1207","msg":"Running http and grpc server on single port. This is not recommended for production."}
