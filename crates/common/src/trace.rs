//! W3C Trace Context (level 1): the `traceparent` that runs from a request through every topic.

use std::fmt;
use uuid::Uuid;

/// Trace id and the id of the span that caused what is happening now.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl Trace {
    /// A trace of its own, from random bits.
    #[must_use]
    pub fn start() -> Self {
        Self { trace_id: Uuid::new_v4().as_u128(), span_id: random_span(), sampled: true }
    }

    /// The same trace, in a new span.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: random_span(), ..self }
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; of later versions the first four fields, as the recommendation asks.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.trim().split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if !hex(version, 2) || version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        if !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace_id, span_id, sampled })
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// The lower half of a v4 UUID: 62 random bits, and never zero because its variant is set.
fn random_span() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_survives_a_round_trip() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::parse(text).unwrap();
        assert_eq!(trace.to_string(), text);
        assert_eq!(trace.child().trace_id(), trace.trace_id());
        assert_ne!(trace.child(), trace);
        assert_eq!(Trace::parse(&Trace::start().to_string()).map(|t| t.sampled), Some(true));
    }

    #[test]
    fn what_the_recommendation_forbids_is_no_trace() {
        for wrong in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
        ] {
            assert_eq!(Trace::parse(wrong), None, "{wrong}");
        }
        assert!(Trace::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later").is_some());
    }
}
