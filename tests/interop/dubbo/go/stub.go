package main

// What dubbo-go's generator makes of the service, by hand: the generator is not to be had.

import (
	"context"

	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"dubbo.apache.org/dubbo-go/v3/server"
)

const service = "shop.desk.v1.DeskApi"

var clientInfo = client.ClientInfo{
	InterfaceName:        service,
	MethodNames:          []string{"Level", "Watch", "Load", "Chat"},
	ConnectionInjectFunc: func(any, *client.Connection) {},
}

// DeskHandler is what a provider has.
type DeskHandler interface {
	Level(context.Context, *LevelRequest) (*LevelReply, error)
	Watch(context.Context, *LevelRequest, *triple_protocol.ServerStream) error
	Load(context.Context, *triple_protocol.ClientStream) (*LoadReply, error)
	Chat(context.Context, *triple_protocol.BidiStream) error
}

func newRequest() any { return new(LevelRequest) }

var serviceInfo = server.ServiceInfo{
	InterfaceName: service,
	ServiceType:   (*DeskHandler)(nil),
	Methods: []server.MethodInfo{
		{
			Name:        "Level",
			Type:        constant.CallUnary,
			ReqInitFunc: newRequest,
			MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
				reply, err := handler.(DeskHandler).Level(ctx, args[0].(*LevelRequest))
				if err != nil {
					return nil, err
				}
				return triple_protocol.NewResponse(reply), nil
			},
		},
		{
			Name:           "Watch",
			Type:           constant.CallServerStream,
			ReqInitFunc:    newRequest,
			StreamInitFunc: func(stream any) any { return stream },
			MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
				stream := args[1].(*triple_protocol.ServerStream)
				return nil, handler.(DeskHandler).Watch(ctx, args[0].(*LevelRequest), stream)
			},
		},
		{
			Name:           "Load",
			Type:           constant.CallClientStream,
			StreamInitFunc: func(stream any) any { return stream },
			MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
				reply, err := handler.(DeskHandler).Load(ctx, args[0].(*triple_protocol.ClientStream))
				if err != nil {
					return nil, err
				}
				return triple_protocol.NewResponse(reply), nil
			},
		},
		{
			Name:           "Chat",
			Type:           constant.CallBidiStream,
			StreamInitFunc: func(stream any) any { return stream },
			MethodFunc: func(ctx context.Context, args []any, handler any) (any, error) {
				return nil, handler.(DeskHandler).Chat(ctx, args[0].(*triple_protocol.BidiStream))
			},
		},
	},
}
