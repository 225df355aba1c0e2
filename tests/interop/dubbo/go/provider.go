package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
)

// Desk answers as the request's mode says.
type Desk struct {
	node string
}

func (d *Desk) reply(request *LevelRequest, left int32) *LevelReply {
	return &LevelReply{Sku: request.Sku, Left: left, Node: d.node}
}

// Level answers once.
func (d *Desk) Level(ctx context.Context, request *LevelRequest) (*LevelReply, error) {
	if err := triple_protocol.SetTrailer(ctx, http.Header{"x-node": []string{d.node}}); err != nil {
		return nil, err
	}
	if request.Mode == "fail" {
		return nil, errors.New("sold out: 100% + more")
	}
	if code, found := strings.CutPrefix(request.Mode, "status:"); found {
		number, err := strconv.Atoi(code)
		if err != nil {
			return nil, err
		}
		return nil, triple_protocol.NewError(triple_protocol.Code(number), fmt.Errorf("asked for %s", code))
	}
	reply := d.reply(request, request.Count)
	reply.Seen = map[string]string{}
	if headers, found := triple_protocol.FromIncomingContext(ctx); found {
		for name := range headers {
			reply.Seen[strings.ToLower(name)] = headers.Get(name)
		}
	}
	return reply, nil
}

// Watch answers as often as it is asked to.
func (d *Desk) Watch(_ context.Context, request *LevelRequest, replies *triple_protocol.ServerStream) error {
	for i := int32(1); i <= request.Count; i++ {
		if request.Mode == "fail" && i == request.Count {
			return fmt.Errorf("watch broke at %d", i)
		}
		if err := replies.Send(d.reply(request, i)); err != nil {
			return err
		}
	}
	return nil
}

// Load answers with a sum.
func (d *Desk) Load(_ context.Context, requests *triple_protocol.ClientStream) (*LoadReply, error) {
	var sum int32
	for requests.Receive(new(LevelRequest)) {
		sum += requests.Msg().(*LevelRequest).Count
	}
	return &LoadReply{Sum: sum, Node: d.node}, requests.Err()
}

// Chat answers each request.
func (d *Desk) Chat(_ context.Context, stream *triple_protocol.BidiStream) error {
	for {
		request := new(LevelRequest)
		if err := stream.Receive(request); err != nil {
			if triple_protocol.IsEnded(err) {
				return nil
			}
			return err
		}
		if err := stream.Send(d.reply(request, 2*request.Count)); err != nil {
			return err
		}
	}
}
