//! What customers are told, and whether it went out. Pure.

mod notification;
mod render;
#[cfg(test)]
mod tests;

pub use notification::{Channel, Notification, Status};
pub use render::{Rendered, render};

use common::events::NotificationRequested;
use engine::{Poison, Rows};
use std::collections::HashSet;
use time::Duration;
use uuid::Uuid;

pub type Context = engine::Context<Send>;

/// How often a message is tried: for a day, so that no night without a mail server costs one.
pub const MAX_ATTEMPTS: i32 = 56;
/// Longer than an attempt can take: until then nobody else makes one.
pub const LEASE: Duration = Duration::seconds(30);
/// Before the second attempt; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::seconds(5);
const LONGEST_PAUSE: Duration = Duration::minutes(30);
/// How much of a failure is kept, in characters.
const MAX_ERROR: usize = 500;

/// The rows that a batch works on.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub notifications: Rows<Uuid, Notification>,
    /// What was asked for before.
    pub known: HashSet<Key>,
}

/// Who carries messages out of the house. SMS is carried by nobody yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carriers {
    pub email: bool,
}

impl Carriers {
    fn carry(self, channel: Channel) -> bool {
        channel == Channel::Email && self.email
    }
}

/// Nothing is told twice: order, number of the timeline's row, channel.
pub type Key = (Uuid, i32, Channel);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Requested(Box<NotificationRequested>),
    Sent {
        id: Uuid,
        attempt: i32,
    },
    /// An attempt that came to nothing; `for_good`: the next one would too.
    TriedInVain {
        id: Uuid,
        attempt: i32,
        for_good: bool,
        error: String,
    },
    /// A lease has run out, or a pause.
    Due {
        id: Uuid,
    },
    /// By an admin.
    Resend {
        id: Uuid,
    },
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    pub id: Uuid,
    pub attempt: i32,
    pub channel: Channel,
    pub recipient: String,
    pub rendered: Rendered,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An event, a result or a timer is dealt with.
    Done,
    Queued(Box<Notification>),
    NotFound,
}

impl Command {
    /// The row that has to be there already.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Requested(_) => None,
            Self::Sent { id, .. } | Self::TriedInVain { id, .. } | Self::Due { id } | Self::Resend { id } => Some(*id),
        }
    }
}

/// Applies one command.
///
/// # Errors
/// None: nothing that can be read contradicts a notification.
pub fn apply(carriers: Carriers, set: &mut Set, command: &Command, cx: &mut Context) -> Result<Reply, Poison> {
    match command {
        Command::Requested(asked) => requested(carriers, set, asked, cx),
        Command::Sent { id, .. } => sent(set, *id, cx),
        Command::TriedInVain { id, attempt, for_good, error } => in_vain(set, *id, *attempt, *for_good, error, cx),
        Command::Due { id } => due(carriers, set, *id, cx),
        Command::Resend { id } => return Ok(resend(carriers, set, *id, cx)),
    }
    Ok(Reply::Done)
}

/// One row for each channel through which the customer can be reached.
fn requested(carriers: Carriers, set: &mut Set, asked: &NotificationRequested, cx: &mut Context) {
    let channels = [(Channel::Email, &asked.contact.email), (Channel::Sms, &asked.contact.phone)];
    for (channel, recipient) in channels {
        let Some(recipient) = recipient else { continue };
        if !set.known.insert((asked.order_id, asked.timeline_sequence, channel)) {
            cx.ignore("told before");
            continue;
        }
        let Rendered { subject, body, html } = render(asked, channel, carriers.carry(channel));
        let notification = Notification {
            id: cx.new_id(),
            order_id: asked.order_id,
            customer_id: asked.customer_id.clone(),
            timeline_sequence: asked.timeline_sequence,
            channel,
            template: asked.template,
            recipient: recipient.clone(),
            subject,
            body,
            html,
            status: Status::Queued,
            attempts: 0,
            last_error: None,
            due_at: None,
            trace: cx.trace().to_string(),
            created_at: cx.now(),
            sent_at: None,
        };
        let id = notification.id;
        set.notifications.put(id, notification);
        attempt(carriers, set, id, cx);
    }
}

/// Starts the next attempt, under a lease. Where nobody carries the message out of the house, to record it is all there is
/// to do.
fn attempt(carriers: Carriers, set: &mut Set, id: Uuid, cx: &mut Context) {
    let now = cx.now();
    let Some(notification) = set.notifications.change(&id) else { return };
    notification.attempts += 1;
    if !carriers.carry(notification.channel) {
        notification.status = Status::Sent;
        notification.sent_at = Some(now);
        notification.due_at = None;
        return;
    }
    notification.due_at = Some(now + LEASE);
    cx.effect(Send {
        id,
        attempt: notification.attempts,
        channel: notification.channel,
        recipient: notification.recipient.clone(),
        rendered: Rendered {
            subject: notification.subject.clone(),
            body: notification.body.clone(),
            html: notification.html.clone(),
        },
    });
}

/// Of any attempt: it is out.
fn sent(set: &mut Set, id: Uuid, cx: &mut Context) {
    let now = cx.now();
    match set.notifications.get(&id).map(|notification| notification.status) {
        Some(Status::Queued | Status::Failed) => {
            if let Some(notification) = set.notifications.change(&id) {
                notification.status = Status::Sent;
                notification.sent_at = Some(now);
                notification.due_at = None;
            }
        }
        Some(Status::Sent) | None => cx.ignore("sent already"),
    }
}

fn in_vain(set: &mut Set, id: Uuid, attempt: i32, for_good: bool, error: &str, cx: &mut Context) {
    let now = cx.now();
    let current = set.notifications.get(&id).is_some_and(|n| n.status == Status::Queued && n.attempts == attempt);
    let Some(notification) = set.notifications.change(&id).filter(|_| current) else {
        cx.ignore("the result of an attempt that is over");
        return;
    };
    // A text of Postgres holds no NUL, and a server may say anything.
    notification.last_error = Some(error.chars().filter(|c| *c != '\0').take(MAX_ERROR).collect());
    if for_good || notification.attempts >= MAX_ATTEMPTS {
        notification.status = Status::Failed;
        notification.due_at = None;
    } else {
        notification.due_at = Some(now + pause(notification.attempts));
    }
}

/// The pause after so many attempts.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(16);
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}

/// A timer found the row past `due_at`; under its lock it may be another one.
fn due(carriers: Carriers, set: &mut Set, id: Uuid, cx: &mut Context) {
    let now = cx.now();
    let row = set.notifications.get(&id);
    let Some(row) = row.filter(|n| n.status == Status::Queued && n.due_at.is_some_and(|due_at| due_at <= now)) else {
        cx.ignore("no longer due");
        return;
    };
    if row.attempts < MAX_ATTEMPTS {
        attempt(carriers, set, id, cx);
    } else if let Some(notification) = set.notifications.change(&id) {
        notification.status = Status::Failed;
        notification.last_error = Some("the last attempt was never answered".to_owned());
        notification.due_at = None;
    }
}

/// By itself a queued message goes out, too, but perhaps not before its next pause is over.
fn resend(carriers: Carriers, set: &mut Set, id: Uuid, cx: &mut Context) -> Reply {
    let soon = cx.now() + LEASE;
    let Some(row) = set.notifications.get(&id) else { return Reply::NotFound };
    // Whoever sends it now has a lease, which ends soon.
    if row.status != Status::Queued || row.due_at.is_some_and(|due_at| due_at > soon) {
        if let Some(notification) = set.notifications.change(&id) {
            notification.status = Status::Queued;
            notification.attempts = 0;
            notification.last_error = None;
            notification.sent_at = None;
        }
        attempt(carriers, set, id, cx);
    }
    set.notifications.get(&id).cloned().map_or(Reply::NotFound, |n| Reply::Queued(Box::new(n)))
}
