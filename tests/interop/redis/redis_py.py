"""redis-py's Sentinel class, writing through failovers; what each of these programs does is in tests/sentinel_clients.rs."""

import json
import sys
import time

import redis
from redis.sentinel import Sentinel

TURN = 0.005

name, sentinels = sys.argv[1], [tuple(a.split(":")) for a in sys.argv[2].split(",")]
client = Sentinel(sentinels, socket_timeout=1).master_for(name, socket_timeout=1)
acknowledged, errors, gap, last = 0, 0, 0.0, time.monotonic()
while True:
    try:
        client.set("count", acknowledged + 1)
    except redis.RedisError:
        errors += 1
        time.sleep(TURN)
        continue
    acknowledged += 1
    now = time.monotonic()
    if acknowledged == 1:
        print("READY", flush=True)
    else:
        gap = max(gap, now - last)
    last = now
    try:
        if client.exists("stop"):
            break
    except redis.RedisError:
        errors += 1
    time.sleep(TURN)
print(json.dumps({
    "client": "redis-py", "acknowledged": acknowledged, "errors": errors,
    "longest_gap_ms": int(gap * 1000),
}))
