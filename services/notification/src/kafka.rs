//! What the order service asks to be told. Pure: the engine reads the topic.

use crate::domain::Command;
use common::events::{NOTIFICATION_SEND, NotificationRequested, Unreadable, decode};
use engine::{Parsed, Subscription};

/// The topic that notification reads.
#[must_use]
pub fn subscriptions() -> Vec<Subscription<Command>> {
    vec![Subscription { topic: &NOTIFICATION_SEND, read }]
}

fn read(value: Option<&[u8]>) -> Result<Parsed<Command>, Unreadable> {
    decode::<NotificationRequested>(value)
        .map(|received| Parsed::of(received, |asked| Some(Command::Requested(Box::new(asked)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::events::Template;

    #[test]
    fn a_golden_record_asks_for_a_message() {
        let golden = include_bytes!("../../../crates/common/examples/notification.send.v1.json");
        let Some(Command::Requested(asked)) = read(Some(golden)).unwrap().command else {
            panic!("it asks for nothing");
        };
        assert!(Template::ALL.contains(&asked.template) && asked.contact.email.is_some());
    }

    #[test]
    fn what_can_not_be_read_is_said_so() {
        for wrong in [None, Some(&b""[..]), Some(b"{"), Some(b"\xff")] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
