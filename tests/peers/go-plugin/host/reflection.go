package main

import (
	"errors"
	"fmt"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const service = "machineadm.test.Probe"

// reflected asks the plugin what it serves, by both names of the service, and puts the files together as grpcurl does.
func reflected() error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	connection := protocol.(*goplugin.GRPCClient).Conn
	alpha, err := reflection.NewServerReflectionClient(connection).ServerReflectionInfo(within(10 * time.Second))
	if err != nil {
		return err
	}
	err = alpha.Send(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return err
	}
	listed, err := alpha.Recv()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, one := range listed.GetListServicesResponse().GetService() {
		names[one.GetName()] = true
	}
	if !names[service] || !names["grpc.health.v1.Health"] {
		return fmt.Errorf("it lists %v", names)
	}
	newer, err := reflectionv1.NewServerReflectionClient(connection).ServerReflectionInfo(within(10 * time.Second))
	if err != nil {
		return err
	}
	err = newer.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	})
	if err != nil {
		return err
	}
	told, err := newer.Recv()
	if err != nil {
		return err
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, data := range told.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(data, file); err != nil {
			return err
		}
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return err
	}
	found, err := files.FindDescriptorByName(service)
	if err != nil {
		return err
	}
	if found.(protoreflect.ServiceDescriptor).Methods().ByName("Echo") == nil {
		return errors.New("it tells of no method Echo")
	}
	return nil
}
