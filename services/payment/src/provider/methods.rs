//! What each payment method stands for. They are tokens, as in Stripe's test mode.

/// How the provider treats a charge, besides its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Prompt,
    Slow,
    /// Done, but the call that does it gets no answer.
    SilentOnce,
    /// Fails (as a 5xx) a few times before it does anything.
    Flaky,
}

pub(super) fn behaviour(payment_method: &str) -> Behaviour {
    match payment_method {
        "pm_rtoms_slow" => Behaviour::Slow,
        "pm_rtoms_timeout" => Behaviour::SilentOnce,
        "pm_rtoms_flaky" => Behaviour::Flaky,
        _ => Behaviour::Prompt,
    }
}

/// The code with which the provider declines it, or `None`.
pub(super) fn decline_code(payment_method: &str) -> Option<&'static str> {
    match payment_method {
        "pm_card_visa" | "pm_card_mastercard" => None,
        "pm_rtoms_slow" | "pm_rtoms_timeout" | "pm_rtoms_flaky" | "pm_rtoms_refund_refused" => None,
        "pm_card_chargeDeclined" => Some("card_declined"),
        "pm_card_chargeDeclinedInsufficientFunds" => Some("insufficient_funds"),
        "pm_card_chargeDeclinedExpiredCard" => Some("expired_card"),
        "pm_card_chargeDeclinedProcessingError" => Some("processing_error"),
        _ => Some("invalid_payment_method"),
    }
}

/// Whether the provider refuses to pay it back when it is first asked to.
pub(super) fn refuses_first_refund(payment_method: &str) -> bool {
    payment_method == "pm_rtoms_refund_refused"
}
