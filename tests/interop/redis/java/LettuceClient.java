// lettuce's master and replica client, writing through failovers; what each of these programs does is in
// tests/sentinel_clients.rs.

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.masterreplica.MasterReplica;
import java.time.Duration;
import java.util.concurrent.CancellationException;

public final class LettuceClient {
    private static final int TURN = 5;
    private static final Duration TIMEOUT = Duration.ofSeconds(1);

    public static void main(String[] args) throws Exception {
        var uri = RedisURI.builder().withSentinelMasterId(args[0]).withTimeout(TIMEOUT);
        for (String sentinel : args[1].split(",")) {
            int colon = sentinel.lastIndexOf(':');
            uri.withSentinel(sentinel.substring(0, colon), Integer.parseInt(sentinel.substring(colon + 1)));
        }
        long acknowledged = 0, errors = 0, gap = 0, last = 0;
        var client = RedisClient.create();
        var redis = MasterReplica.connect(client, StringCodec.UTF8, uri.build()).sync();
        for (;; Thread.sleep(TURN)) {
            try {
                redis.set("count", Long.toString(acknowledged + 1));
                acknowledged++;
                long now = System.nanoTime() / 1_000_000;
                if (acknowledged == 1) {
                    System.out.println("READY");
                } else {
                    gap = Math.max(gap, now - last);
                }
                last = now;
                if (redis.exists("stop") == 1) {
                    break;
                }
            } catch (RedisException | CancellationException e) {
                // It cancels what waits for a server that is no more the master.
                errors++;
            }
        }
        client.shutdown(Duration.ZERO, TIMEOUT);
        System.out.printf("{\"client\":\"lettuce\",\"acknowledged\":%d,\"errors\":%d,\"longest_gap_ms\":%d}%n",
                acknowledged, errors, gap);
    }
}
