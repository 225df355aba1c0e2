//! What arguments are compared with, and how they are shown.

use std::fmt::Debug;

/// What the arguments `A` of a call can be compared with.
#[diagnostic::on_unimplemented(
    message = "the arguments `{A}` cannot be compared with `{Self}`",
    label = "not comparable",
    note = "one argument is compared with one value, several with a tuple: `with((\"a-1\", 2))`; else use `when(|arguments| …)`"
)]
pub trait Matches<A>: Send + Sync + 'static {
    /// These are the arguments.
    fn matches(&self, arguments: &A) -> bool;

    /// What is wanted, for people.
    fn show(&self) -> String;
}

impl Matches<()> for () {
    fn matches(&self, (): &()) -> bool {
        true
    }

    fn show(&self) -> String {
        String::new()
    }
}

impl<A: PartialEq<W>, W: Debug + Send + Sync + 'static> Matches<(A,)> for W {
    fn matches(&self, arguments: &(A,)) -> bool {
        arguments.0 == *self
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }
}

macro_rules! tuples {
    ($(($($argument:ident $wanted:ident $at:tt),+))+) => {$(
        impl<$($argument: PartialEq<$wanted>, $wanted: Debug + Send + Sync + 'static),+> Matches<($($argument,)+)>
            for ($($wanted,)+)
        {
            fn matches(&self, arguments: &($($argument,)+)) -> bool {
                $(arguments.$at == self.$at)&&+
            }

            fn show(&self) -> String {
                [$(format!("{:?}", self.$at)),+].join(", ")
            }
        }
    )+};
}

tuples! {
    (A V 0, B W 1)
    (A V 0, B W 1, C X 2)
    (A V 0, B W 1, C X 2, D Y 3)
    (A V 0, B W 1, C X 2, D Y 3, E Z 4)
}

/// Shows an argument of a call, whatever its type: `(&Shown(&argument)).shown()` with both traits in scope.
#[derive(Debug)]
pub struct Shown<'a, T>(pub &'a T);

/// What can be shown.
pub trait ShownByDebug {
    /// Its value.
    fn shown(&self) -> String;
}

impl<T: Debug> ShownByDebug for Shown<'_, T> {
    fn shown(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// What cannot.
pub trait ShownByType {
    /// The name of its type.
    fn shown(&self) -> String;
}

impl<T> ShownByType for &Shown<'_, T> {
    fn shown(&self) -> String {
        format!("a {}", std::any::type_name::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_shown_as_far_as_they_can_be() {
        struct Opaque;
        let (debug, opaque) = (&Shown(&"a"), &Shown(&Opaque));
        assert_eq!(debug.shown(), "\"a\"");
        assert!(opaque.shown().ends_with("Opaque"));
    }
}
