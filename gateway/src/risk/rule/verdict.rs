//! What becomes of a request by its score. Pure.

use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// What is done, from the mildest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    #[default]
    Allow,
    Challenge,
    Throttle,
    Deny,
}

/// From which score on what is done; what is not said is never done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bands {
    pub(crate) challenge: Option<i64>,
    pub(crate) throttle: Option<i64>,
    pub(crate) deny: Option<i64>,
}

/// How a request is answered that is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// In the place of the gateway's own.
    pub(crate) body: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// The three of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replies {
    pub(crate) challenge: Reply,
    pub(crate) throttle: Reply,
    pub(crate) deny: Reply,
}

/// How far a rule is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is not asked.
    Off,
    /// It is asked, and told of; nothing comes of it.
    Shadow,
    Enforce,
    /// It counts for so many of a hundred who ask, for the same ones each time, and is in shadow for the others.
    Percentage(u8),
}

impl Action {
    pub(crate) const ALL: [Self; 4] = [Self::Allow, Self::Challenge, Self::Throttle, Self::Deny];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Throttle => "throttle",
            Self::Deny => "deny",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// The stable word of its answers.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Allow => "RISK_ALLOWED",
            Self::Challenge => "RISK_CHALLENGED",
            Self::Throttle => "RISK_THROTTLED",
            Self::Deny => "RISK_DENIED",
        }
    }
}

impl Bands {
    /// The hardest that a score has reached.
    pub(crate) fn action(&self, score: i64) -> Action {
        let bands = [(self.deny, Action::Deny), (self.throttle, Action::Throttle), (self.challenge, Action::Challenge)];
        let reached = bands.into_iter().find(|(from, _)| from.is_some_and(|from| score >= from));
        reached.map_or(Action::Allow, |(_, action)| action)
    }

    /// A milder one begins no later than a harder one.
    pub(crate) fn is_ordered(&self) -> bool {
        let said: Vec<_> = [self.challenge, self.throttle, self.deny].into_iter().flatten().collect();
        said.is_sorted() && said.iter().all(|from| *from > 0)
    }
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
            Self::Percentage(_) => "percentage",
        }
    }

    /// Understands a word, and the share that one of them wants.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn parse(word: &str, percentage: Option<u8>) -> Result<Self, String> {
        match (word, percentage) {
            ("percentage", Some(share @ 0..=100)) => Ok(Self::Percentage(share)),
            ("percentage", _) => Err("`percentage` says for how many of a hundred: from 0 to 100".to_owned()),
            (_, Some(_)) => Err(format!("`percentage` says something of the mode percentage, not of {word}")),
            ("off", None) => Ok(Self::Off),
            ("shadow", None) => Ok(Self::Shadow),
            ("enforce", None) => Ok(Self::Enforce),
            _ => Err(format!("`{word}` is none of off, shadow, enforce and percentage")),
        }
    }

    /// Whether it counts for whoever draws this number of a hundred.
    pub(crate) fn counts(self, draw: u64) -> bool {
        match self {
            Self::Off | Self::Shadow => false,
            Self::Enforce => true,
            Self::Percentage(share) => draw % 100 < u64::from(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardest_band_that_is_reached_counts() {
        let bands = Bands { challenge: Some(30), throttle: None, deny: Some(90) };
        for (score, action) in [
            (-5, Action::Allow),
            (29, Action::Allow),
            (30, Action::Challenge),
            (89, Action::Challenge),
            (90, Action::Deny),
        ] {
            assert_eq!(bands.action(score), action, "{score}");
        }
        assert_eq!(Bands::default().action(i64::MAX), Action::Allow);
        assert!(bands.is_ordered() && Bands::default().is_ordered());
        assert!(!Bands { throttle: Some(20), ..bands }.is_ordered());
        assert!(!Bands { challenge: Some(0), ..bands }.is_ordered());
    }

    #[test]
    fn modes_are_words_and_one_has_a_share() {
        for (word, share, mode) in [
            ("off", None, Some(Mode::Off)),
            ("shadow", None, Some(Mode::Shadow)),
            ("enforce", None, Some(Mode::Enforce)),
            ("percentage", Some(20), Some(Mode::Percentage(20))),
            ("percentage", None, None),
            ("percentage", Some(101), None),
            ("shadow", Some(20), None),
            ("on", None, None),
        ] {
            assert_eq!(Mode::parse(word, share).ok(), mode, "{word} {share:?}");
        }
        let counted = (0..1000).filter(|draw| Mode::Percentage(20).counts(*draw)).count();
        assert_eq!(counted, 200);
        assert!(!Mode::Shadow.counts(0) && Mode::Enforce.counts(99));
    }
}
