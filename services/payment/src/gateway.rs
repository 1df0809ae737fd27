//! The seam to the payment provider: what any provider has to do for us.

use crate::domain::{ChargeIntent, ChargeOutcome, RefundIntent, RefundOutcome};
use std::future::Future;

/// A provider that does one thing a key, however often it is asked, and can tell what it did.
///
/// Whatever is not definite is `Unknown`: no answer, a failure, a key in use. To drop a future here may lose the answer,
/// never the charge.
pub trait PaymentGateway: Send + Sync + 'static {
    fn charge(&self, intent: &ChargeIntent) -> impl Future<Output = ChargeOutcome> + Send;

    /// What became of a charge; `None` where the provider has never heard of its key.
    fn look_up_charge(&self, intent: &ChargeIntent) -> impl Future<Output = Option<ChargeOutcome>> + Send;

    fn refund(&self, intent: &RefundIntent) -> impl Future<Output = RefundOutcome> + Send;

    /// As of a charge.
    fn look_up_refund(&self, intent: &RefundIntent) -> impl Future<Output = Option<RefundOutcome>> + Send;
}
