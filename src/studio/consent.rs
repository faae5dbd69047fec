//! Consent: why the pictures of a subject may be used, and until when.

use jiff::Timestamp;
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};
use uuid::Uuid;

use super::ids::{ConsentId, SubjectId};
use super::names::named;
use super::text;

/// Why a picture may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumCount, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = BadConsent, parse_err_fn = unknown_kind)]
pub enum ConsentKind {
    /// The picture shows the person who uses this program.
    Own,
    /// The person in the picture agreed.
    Consent,
    /// A licence or a contract allows it.
    Licence,
    /// No rights remain.
    PublicDomain,
    /// The picture is generated and shows nobody.
    Synthetic,
}

named!(ConsentKind);

impl ConsentKind {
    /// When this kind applies, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Own => "pictures of yourself",
            Self::Consent => "the person agreed",
            Self::Licence => "a licence or contract allows it",
            Self::PublicDomain => "no rights remain",
            Self::Synthetic => "generated, shows nobody",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConsent {
    #[error("unknown kind of consent {name:?}: choose one of {}", ConsentKind::ALL.map(ConsentKind::name).join(", "))]
    Kind { name: String },
    #[error("the statement is empty: say who agreed, to what, and where it is recorded")]
    NoStatement,
    #[error("the consent expires ({expires}) before it is granted ({granted}): choose a later expiry")]
    EndsBeforeItBegins { granted: Timestamp, expires: Timestamp },
}

fn unknown_kind(name: &str) -> BadConsent {
    BadConsent::Kind { name: text::clean(name) }
}

/// The terms of a consent: the statement is not empty, and it does not expire before it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    kind: ConsentKind,
    statement: String,
    granted: Timestamp,
    expires: Option<Timestamp>,
}

impl Grant {
    pub fn new(
        kind: ConsentKind,
        statement: &str,
        granted: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<Self, BadConsent> {
        let statement = text::clean(statement).trim().to_owned();
        if statement.is_empty() {
            return Err(BadConsent::NoStatement);
        }
        if let Some(expires) = expires.filter(|&expires| expires <= granted) {
            return Err(BadConsent::EndsBeforeItBegins { granted, expires });
        }
        Ok(Self { kind, statement, granted, expires })
    }

    pub fn kind(&self) -> ConsentKind {
        self.kind
    }

    pub fn statement(&self) -> &str {
        &self.statement
    }

    pub fn granted(&self) -> Timestamp {
        self.granted
    }

    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// A recorded consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub id: ConsentId,
    pub uuid: Uuid,
    pub subject: SubjectId,
    pub grant: Grant,
    pub withdrawn: Option<Timestamp>,
}

/// Whether a consent is valid at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentStatus {
    Valid,
    /// Granted from this time on.
    NotYetValid(Timestamp),
    Expired(Timestamp),
    Withdrawn(Timestamp),
}

impl Consent {
    pub fn status(&self, at: Timestamp) -> ConsentStatus {
        match (self.withdrawn, self.grant.expires) {
            (Some(withdrawn), _) => ConsentStatus::Withdrawn(withdrawn),
            (None, Some(expires)) if expires <= at => ConsentStatus::Expired(expires),
            _ if self.grant.granted > at => ConsentStatus::NotYetValid(self.grant.granted),
            _ => ConsentStatus::Valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn consent(expires: Option<i64>, withdrawn: Option<i64>) -> Consent {
        Consent {
            id: ConsentId(1),
            uuid: Uuid::nil(),
            subject: SubjectId(1),
            grant: Grant::new(ConsentKind::Consent, "signed release", at(100), expires.map(at)).unwrap(),
            withdrawn: withdrawn.map(at),
        }
    }

    #[test]
    fn a_consent_is_valid_from_its_grant_until_it_expires() {
        let limited = consent(Some(200), None);
        assert_eq!(limited.status(at(99)), ConsentStatus::NotYetValid(at(100)));
        assert_eq!(limited.status(at(100)), ConsentStatus::Valid);
        assert_eq!(limited.status(at(199)), ConsentStatus::Valid);
        assert_eq!(limited.status(at(200)), ConsentStatus::Expired(at(200)));
        assert_eq!(consent(None, None).status(at(1 << 32)), ConsentStatus::Valid);
    }

    #[test]
    fn a_withdrawn_consent_is_never_valid_again() {
        assert_eq!(consent(Some(200), Some(150)).status(at(120)), ConsentStatus::Withdrawn(at(150)));
        assert_eq!(consent(Some(200), Some(150)).status(at(300)), ConsentStatus::Withdrawn(at(150)));
    }

    #[test]
    fn a_grant_needs_a_statement_and_a_later_expiry() {
        assert_eq!(Grant::new(ConsentKind::Own, " \n", at(1), None), Err(BadConsent::NoStatement));
        assert!(Grant::new(ConsentKind::Own, "me", at(5), Some(at(5))).is_err());
        assert!("borrowed".parse::<ConsentKind>().unwrap_err().to_string().contains("public-domain"));
    }
}
