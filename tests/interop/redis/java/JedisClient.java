// Jedis' sentinel client, writing through failovers; what each of these programs does is in tests/sentinel_clients.rs.

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.RedisSentinelClient;
import redis.clients.jedis.exceptions.JedisException;

public final class JedisClient {
    private static final int TURN = 5;
    private static final int TIMEOUT = 1000;

    public static void main(String[] args) throws Exception {
        Set<HostAndPort> sentinels = Arrays.stream(args[1].split(",")).map(HostAndPort::from).collect(Collectors.toSet());
        var config = DefaultJedisClientConfig.builder().timeoutMillis(TIMEOUT).build();
        long acknowledged = 0, errors = 0, gap = 0, last = 0;
        try (var client = RedisSentinelClient.builder()
                .masterName(args[0]).sentinels(sentinels).clientConfig(config).sentinelClientConfig(config).build()) {
            for (;; Thread.sleep(TURN)) {
                try {
                    client.set("count", Long.toString(acknowledged + 1));
                    acknowledged++;
                    long now = System.nanoTime() / 1_000_000;
                    if (acknowledged == 1) {
                        System.out.println("READY");
                    } else {
                        gap = Math.max(gap, now - last);
                    }
                    last = now;
                    if (client.exists("stop")) {
                        break;
                    }
                } catch (JedisException e) {
                    errors++;
                }
            }
        }
        System.out.printf("{\"client\":\"jedis\",\"acknowledged\":%d,\"errors\":%d,\"longest_gap_ms\":%d}%n",
                acknowledged, errors, gap);
    }
}
