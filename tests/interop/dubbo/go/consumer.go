package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
)

// pause is between two calls, where many are made.
const pause = 5 * time.Millisecond

type consumer struct {
	conn *client.Connection
}

func request(mode string, count int32) *LevelRequest {
	return &LevelRequest{Sku: "a-1", Count: count, Mode: mode}
}

// step does one, and says what came.
func (c *consumer) step(step string) string {
	name, rest, _ := strings.Cut(step, ":")
	came, err := "", error(nil)
	switch name {
	case "level":
		var reply *LevelReply
		if reply, err = c.level(request(rest, 7)); err == nil {
			came = shown(reply)
		}
	case "watch":
		came, err = c.watch(request(rest, 5))
	case "load":
		came, err = c.load()
	case "chat":
		came, err = c.chat()
	case "calls":
		came = c.calls(rest)
	default:
		err = fmt.Errorf("there is no step %s", name)
	}
	if err != nil {
		return came + failure(err)
	}
	return came
}

func (c *consumer) level(request *LevelRequest) (*LevelReply, error) {
	reply := new(LevelReply)
	err := c.conn.CallUnary(context.Background(), []any{request}, reply, "Level")
	return reply, err
}

func (c *consumer) watch(request *LevelRequest) (string, error) {
	raw, err := c.conn.CallServerStream(context.Background(), request, "Watch")
	if err != nil {
		return "", err
	}
	stream := raw.(*triple_protocol.ServerStreamForClient)
	var replies []string
	for stream.Receive(new(LevelReply)) {
		replies = append(replies, shown(stream.Msg().(*LevelReply)))
	}
	came := "[" + strings.Join(replies, ", ") + "]"
	if stream.Err() != nil {
		came += " then "
	}
	return came, stream.Err()
}

func (c *consumer) load() (string, error) {
	raw, err := c.conn.CallClientStream(context.Background(), "Load")
	if err != nil {
		return "", err
	}
	stream := raw.(*triple_protocol.ClientStreamForClient)
	for i := int32(1); i <= 4; i++ {
		if err := stream.Send(request("", i)); err != nil {
			return "", err
		}
	}
	reply := new(LoadReply)
	if err := stream.CloseAndReceive(triple_protocol.NewResponse(reply)); err != nil {
		return "", err
	}
	return fmt.Sprintf("[%d from %s]", reply.Sum, reply.Node), nil
}

func (c *consumer) chat() (string, error) {
	raw, err := c.conn.CallBidiStream(context.Background(), "Chat")
	if err != nil {
		return "", err
	}
	stream := raw.(*triple_protocol.BidiStreamForClient)
	var replies []string
	for i := int32(1); i <= 3; i++ {
		if err := stream.Send(request("", i)); err != nil {
			return "", err
		}
		reply := new(LevelReply)
		if err := stream.Receive(reply); err != nil {
			return "", err
		}
		replies = append(replies, shown(reply))
	}
	return "[" + strings.Join(replies, ", ") + "]", errors.Join(stream.CloseRequest(), stream.CloseResponse())
}

// calls calls until there is a file of this name, and says who answered.
func (c *consumer) calls(until string) string {
	nodes := map[string]int{}
	calls, failed, last := 0, 0, ""
	for {
		if _, err := os.Stat(until); err == nil {
			return fmt.Sprintf("calls %d failed %d %s %s", calls, failed, tally(nodes), last)
		}
		calls++
		if reply, err := c.level(request("", int32(calls))); err != nil {
			failed, last = failed+1, failure(err)
		} else {
			nodes[reply.Node]++
		}
		if calls%20 == 0 {
			fmt.Printf("so far %d failed %d %s\n", calls, failed, tally(nodes))
		}
		time.Sleep(pause)
	}
}

// tally is as Java prints a map.
func tally(nodes map[string]int) string {
	var all []string
	for node, count := range nodes {
		all = append(all, fmt.Sprintf("%s=%d", node, count))
	}
	slices.Sort(all)
	return "{" + strings.Join(all, ", ") + "}"
}

func shown(reply *LevelReply) string {
	sku := reply.Sku
	if len(sku) > 20 {
		sku = fmt.Sprintf("%d characters", len(sku))
	}
	return fmt.Sprintf("%s %d from %s", sku, reply.Left, reply.Node)
}

func failure(err error) string {
	var status *triple_protocol.Error
	if errors.As(err, &status) {
		return fmt.Sprintf("status %d %s", status.Code(), status.Message())
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}
