//! The right to use a picture of someone, and whether it is in force.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::ids::{ConsentId, SubjectId};
use super::text;

/// On what ground a picture may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// The picture shows the person who uses this program.
    Own,
    /// The person in the picture agreed.
    Consent,
    /// A licence or a contract allows it.
    Licence,
    PublicDomain,
    /// Nobody is in the picture: it was generated.
    Synthetic,
}

impl Right {
    pub const ALL: [Self; 5] = [Self::Own, Self::Consent, Self::Licence, Self::PublicDomain, Self::Synthetic];

    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Consent => "consent",
            Self::Licence => "licence",
            Self::PublicDomain => "public-domain",
            Self::Synthetic => "synthetic",
        }
    }

    /// When it applies, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Own => "pictures of yourself",
            Self::Consent => "the person agreed",
            Self::Licence => "a licence or a contract allows it",
            Self::PublicDomain => "nobody's rights are left",
            Self::Synthetic => "generated: shows nobody",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConsent {
    #[error("there is no kind of right called {name:?}; choose one of {}", Right::ALL.map(Right::name).join(", "))]
    Kind { name: String },
    #[error("a right needs a statement: who allowed what, and where that is written down")]
    NoStatement,
    #[error("the right would end ({expires}) before it begins ({granted})")]
    EndsBeforeItBegins { granted: Timestamp, expires: Timestamp },
}

impl FromStr for Right {
    type Err = BadConsent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|right| right.name() == name)
            .ok_or_else(|| BadConsent::Kind { name: text::clean(name) })
    }
}

/// A right as it is given; checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    kind: Right,
    statement: String,
    granted: Timestamp,
    expires: Option<Timestamp>,
}

impl Grant {
    pub fn new(
        kind: Right,
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

    pub fn kind(&self) -> Right {
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

/// A recorded right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub id: ConsentId,
    pub uuid: Uuid,
    pub subject: SubjectId,
    pub grant: Grant,
    pub withdrawn: Option<Timestamp>,
}

/// Where a right stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    InForce,
    /// It begins later.
    NotYet(Timestamp),
    Expired(Timestamp),
    Withdrawn(Timestamp),
}

impl Consent {
    pub fn standing(&self, at: Timestamp) -> Standing {
        match (self.withdrawn, self.grant.expires) {
            (Some(withdrawn), _) => Standing::Withdrawn(withdrawn),
            (None, Some(expires)) if expires <= at => Standing::Expired(expires),
            _ if self.grant.granted > at => Standing::NotYet(self.grant.granted),
            _ => Standing::InForce,
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
            grant: Grant::new(Right::Consent, "signed release", at(100), expires.map(at)).unwrap(),
            withdrawn: withdrawn.map(at),
        }
    }

    #[test]
    fn a_right_is_in_force_from_its_beginning_until_before_its_end() {
        let limited = consent(Some(200), None);
        assert_eq!(limited.standing(at(99)), Standing::NotYet(at(100)));
        assert_eq!(limited.standing(at(100)), Standing::InForce);
        assert_eq!(limited.standing(at(199)), Standing::InForce);
        assert_eq!(limited.standing(at(200)), Standing::Expired(at(200)));
        assert_eq!(consent(None, None).standing(at(1 << 32)), Standing::InForce);
    }

    #[test]
    fn a_withdrawn_right_is_never_in_force_again() {
        assert_eq!(consent(Some(200), Some(150)).standing(at(120)), Standing::Withdrawn(at(150)));
        assert_eq!(consent(Some(200), Some(150)).standing(at(300)), Standing::Withdrawn(at(150)));
    }

    #[test]
    fn a_right_says_something_and_lasts() {
        assert_eq!(Grant::new(Right::Own, " \n", at(1), None), Err(BadConsent::NoStatement));
        assert!(Grant::new(Right::Own, "me", at(5), Some(at(5))).is_err());
        assert!("borrowed".parse::<Right>().unwrap_err().to_string().contains("public-domain"));
    }
}
