#!/bin/sh
# redis-cli, writing through failovers; what each of these programs does is in tests/sentinel_clients.rs.
#
# One redis-cli is subscribed to a sentinel for as long as it lives. The others ask the sentinels in turn and write where
# they are told, one process per command, as scripts do. A sentinel that is away or knows nothing is passed over.
name=$1
sentinels=$(echo "$2" | tr , ' ')
events=$(mktemp)
first=${sentinels%% *}
redis-cli -h "${first%:*}" -p "${first#*:}" SUBSCRIBE +switch-master >"$events" &
listener=$!
trap 'kill "$listener" 2>/dev/null; rm -f "$events"' EXIT

master() {
    for s in $sentinels; do
        found=$(redis-cli -h "${s%:*}" -p "${s#*:}" SENTINEL get-master-addr-by-name "$name" 2>/dev/null | tr '\n' ' ')
        [ -n "$found" ] && return
    done
}

acknowledged=0 errors=0 gap=0 last=0
master
while :; do
    # $found is "HOST PORT ": two words on purpose.
    set -- $found
    said=$(redis-cli -h "$1" -p "$2" SET count $((acknowledged + 1)) 2>&1)
    if [ "$said" != OK ]; then
        errors=$((errors + 1))
        master
        continue
    fi
    acknowledged=$((acknowledged + 1))
    now=$(date +%s%3N)
    [ $acknowledged = 1 ] && echo READY
    [ $last != 0 ] && [ $((now - last)) -gt $gap ] && gap=$((now - last))
    last=$now
    [ "$(redis-cli -h "$1" -p "$2" EXISTS stop 2>/dev/null)" = 1 ] && break
done
# The listener hears of each switch; the last one may still be under way to it.
for _ in $(seq 100); do
    heard=$(grep -c "^$name " "$events")
    [ "$heard" -ge 2 ] && break
    sleep 0.1
done
printf '{"client":"redis-cli","acknowledged":%d,"errors":%d,"longest_gap_ms":%d,"heard":%d}\n' \
    $acknowledged $errors "$gap" "$heard"
