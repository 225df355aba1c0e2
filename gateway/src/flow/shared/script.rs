//! The one call of a request to Redis: all of its limits together, each or none of which counts it.
//!
//! The clock is the server's, so that gateways need not agree on the time. A key is gone when its bucket is empty.

use super::gcra::{Answer, Rate};
use redis::Script;
use std::time::Duration;

/// As [`Rate::ask`]: of each key the moment at which its bucket is empty, in microseconds.
const TEXT: &str = "
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local levels, answer = {}, {0}
for i, key in ipairs(KEYS) do
  local step, whole = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local empty = tonumber(redis.call('GET', key) or '0') or 0
  local level = math.min(math.max(empty, now), now + whole) - now
  if level + step > whole then
    return {i, level + step - whole, level}
  end
  levels[i] = level + step
  answer[2 * i] = math.floor((whole - level - step) / step)
  answer[2 * i + 1] = level + step
end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', now + levels[i]), 'PX', math.ceil(levels[i] / 1000))
end
return answer
";

pub(super) fn script() -> Script {
    Script::new(TEXT)
}

/// What was answered: the first limit that refused, or what is left of each.
///
/// `None` of an answer that is none.
pub(super) fn read(answer: &[i64], many: usize) -> Option<Result<Vec<Answer>, (usize, Answer)>> {
    let micros = |at: usize| answer.get(at).and_then(|value| u64::try_from(*value).ok()).map(Duration::from_micros);
    match usize::try_from(*answer.first()?).ok()? {
        0 => {
            let one = |at: usize| {
                let remaining = u64::try_from(*answer.get(2 * at + 1)?).ok()?;
                Some(Answer::Pass { remaining, reset: micros(2 * at + 2)? })
            };
            (0..many).map(one).collect::<Option<_>>().map(Ok)
        }
        at if at <= many => Some(Err((at - 1, Answer::Limited { retry_after: micros(1)?, reset: micros(2)? }))),
        _ => None,
    }
}

/// What the script is told of a limit.
pub(super) fn arguments(rate: Rate) -> [u64; 2] {
    [rate.step, rate.whole]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let second = Duration::from_secs(1);
        let pass = |remaining| Answer::Pass { remaining, reset: second };
        assert_eq!(read(&[0, 3, 1_000_000, 0, 1_000_000], 2), Some(Ok(vec![pass(3), pass(0)])));
        let limited = Answer::Limited { retry_after: second, reset: second };
        assert_eq!(read(&[2, 1_000_000, 1_000_000], 2), Some(Err((1, limited))));
        for (answer, many) in [(&[][..], 1), (&[0, 3], 1), (&[3, 1, 1], 2), (&[-1, 1, 1], 2), (&[1, -1, 1], 1)] {
            assert_eq!(read(answer, many), None, "{answer:?}");
        }
    }
}
