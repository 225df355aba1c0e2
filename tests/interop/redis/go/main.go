// go-redis' failover client, writing through failovers; what each of these programs does is in tests/sentinel_clients.rs.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const turn = 5 * time.Millisecond

func main() {
	ctx := context.Background()
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    os.Args[1],
		SentinelAddrs: strings.Split(os.Args[2], ","),
		DialTimeout:   time.Second,
		ReadTimeout:   time.Second,
		WriteTimeout:  time.Second,
	})
	acknowledged, errors, gap := 0, 0, time.Duration(0)
	for last := time.Now(); ; time.Sleep(turn) {
		if err := client.Set(ctx, "count", acknowledged+1, 0).Err(); err != nil {
			errors++
			continue
		}
		acknowledged++
		if acknowledged == 1 {
			fmt.Println("READY")
		} else {
			gap = max(gap, time.Since(last))
		}
		last = time.Now()
		if n, err := client.Exists(ctx, "stop").Result(); err == nil && n == 1 {
			break
		}
	}
	fmt.Printf(`{"client":"go-redis","acknowledged":%d,"errors":%d,"longest_gap_ms":%d}`+"\n",
		acknowledged, errors, gap.Milliseconds())
}
