//! Who calls: bearer tokens, verified against the keys of the issuer.
