//! Testing what calls others: it takes the service as an object, and the test hands it a mock.

use mainstay::{call::Reason, prelude::*};
use mainstay_examples::{Answer, Level, Member, MemberApiClient, MemberApiDyn, MemberError, MockMemberApi};
use std::sync::Arc;

/// What is tested: it knows neither whom it calls nor where.
struct Doorman {
    members: Arc<dyn MemberApiDyn>,
}

impl Doorman {
    async fn greet(&self, id: &str) -> String {
        match self.members.member(id.to_owned()).await {
            Ok(member) if member.level == Level::Gold => format!("Welcome back, {}!", member.name),
            Ok(member) => format!("Hello, {}.", member.name),
            Err(CallError::App(MemberError::Unknown { .. })) => "Do I know you?".to_owned(),
            Err(CallError::Call(_)) => "One moment, please.".to_owned(),
        }
    }
}

fn ada() -> Member {
    let answer = Answer { by: String::new(), retries: 0 };
    Member { id: "ada".into(), name: "Ada".into(), level: Level::Gold, answer }
}

#[tokio::test]
async fn a_mock_stands_in_for_a_client() {
    let members = MockMemberApi::new();
    members.member().with("ada").times(1).returns(Ok(ada()));
    members.member().with("eve").answers(|(id,)| Err(MemberError::Unknown { id }));
    members.member().with("bob").fails(Status::because(Reason::NoInstance, Code::Unavailable, "nobody is there"));
    let doorman = Doorman { members: Arc::new(members) };
    assert_eq!(doorman.greet("ada").await, "Welcome back, Ada!");
    assert_eq!(doorman.greet("eve").await, "Do I know you?");
    assert_eq!(doorman.greet("bob").await, "One moment, please.");
    // Dropping the mock fails the test if an expectation was not met.
}

#[tokio::test]
async fn a_mock_is_served_too_and_called_in_process() {
    let members = MockMemberApi::new();
    members.member().with("ada").returns(Ok(ada()));
    let doorman = Doorman { members: Arc::new(MemberApiClient::in_process(members)) };
    assert_eq!(doorman.greet("ada").await, "Welcome back, Ada!");
}
