// A provider and a consumer of dubbo-go, the same as those in Java and Rust.
//
//	desk provider NODE PORT REGISTRY|none [GROUP|- [VERSION|-]]
//	desk consumer TARGET GROUP|- VERSION|- STEP…
//
// A registry is `zookeeper://…` or `nacos://…`; a target may also be `tri://…`. The level of a registry is dubbo-go's default,
// applications, unless DESK_LEVEL is `interface` or `all`.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/client"
	_ "dubbo.apache.org/dubbo-go/v3/imports"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	"dubbo.apache.org/dubbo-go/v3/registry"
	"dubbo.apache.org/dubbo-go/v3/server"
)

func main() {
	var err error
	switch {
	case len(os.Args) > 4 && os.Args[1] == "provider":
		err = provide(os.Args[2:])
	case len(os.Args) > 4 && os.Args[1] == "consumer":
		err = consume(os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	default:
		err = fmt.Errorf("desk provider NODE PORT REGISTRY … | consumer TARGET GROUP VERSION STEP…")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func registryOf(url string) registry.Option {
	var options []registry.Option
	scheme, address, _ := strings.Cut(url, "://")
	if scheme == "nacos" {
		options = append(options, registry.WithNacos())
	} else {
		options = append(options, registry.WithZookeeper())
	}
	options = append(options, registry.WithAddress(address))
	switch os.Getenv("DESK_LEVEL") {
	case "interface":
		options = append(options, registry.WithRegisterInterface())
	case "all":
		options = append(options, registry.WithRegisterServiceAndInterface())
	}
	return func(all *registry.Options) {
		for _, option := range options {
			option(all)
		}
	}
}

func said(args []string, at int) string {
	if len(args) > at && args[at] != "-" {
		return args[at]
	}
	return ""
}

func provide(args []string) error {
	port, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	options := []dubbo.InstanceOption{
		dubbo.WithName("desk-go"),
		dubbo.WithProtocol(protocol.WithTriple(), protocol.WithPort(port)),
	}
	if args[2] != "none" {
		options = append(options, dubbo.WithRegistry(registryOf(args[2])))
	}
	instance, err := dubbo.NewInstance(options...)
	if err != nil {
		return err
	}
	srv, err := instance.NewServer()
	if err != nil {
		return err
	}
	group, version := server.WithGroup(said(args, 3)), server.WithVersion(said(args, 4))
	if err := srv.Register(&Desk{node: args[0]}, &serviceInfo, group, version); err != nil {
		return err
	}
	go sayReady(args[1])
	return srv.Serve()
}

// sayReady says READY once the port is open and the registry had time: dubbo-go tells nobody when it is registered.
func sayReady(port string) {
	for {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	fmt.Println("READY")
}

func consume(target, group, version string, steps []string) error {
	options := []dubbo.InstanceOption{dubbo.WithName("asker-go")}
	var clientOptions []client.ClientOption
	if address, direct := strings.CutPrefix(target, "tri://"); direct {
		clientOptions = append(clientOptions, client.WithClientURL(address))
	} else {
		options = append(options, dubbo.WithRegistry(registryOf(target)))
	}
	instance, err := dubbo.NewInstance(options...)
	if err != nil {
		return err
	}
	cli, err := instance.NewClient(clientOptions...)
	if err != nil {
		return err
	}
	dial := []client.ReferenceOption{client.WithRequestTimeout(3 * time.Second)}
	if group != "-" {
		dial = append(dial, client.WithGroup(group))
	}
	if version != "-" {
		dial = append(dial, client.WithVersion(version))
	}
	conn, err := cli.DialWithInfo(service, &clientInfo, dial...)
	if err != nil {
		return err
	}
	fmt.Println("READY")
	consumer := consumer{conn}
	for _, step := range steps {
		fmt.Printf("%s: %s\n", step, consumer.step(step))
	}
	fmt.Println("DONE")
	return nil
}
