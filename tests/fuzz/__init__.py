"""Whatever others write, read by us: a coded error or an answer, in bounded time and memory."""
