//! Objects: what is outside, how it is found again, and what is kept to bring it back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Bytes that belong to the provider alone. They may hold secrets: never shown, sealed at rest.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Private(pub Vec<u8>);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Private({} bytes)", self.0.len())
    }
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// All attributes, of the type of the schema.
    pub state: Value,
    /// The provider's own bytes.
    pub private: Private,
    /// The identity as the provider has it, if it has one beside the attributes.
    pub identity: Option<Value>,
    /// The text of the [`Marker`] that it carries, where the type can carry one.
    pub marker: Option<String>,
}

impl Observed {
    /// An object of which only the attributes are known.
    pub fn of(state: Value) -> Self {
        Observed { state, private: Private::default(), identity: None, marker: None }
    }
}

/// What a look-up by identity or marker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    None,
    /// Exactly one.
    One(Box<Observed>),
    /// More than one: they are never adopted.
    Many(Vec<Observed>),
}

/// What is put on an object that has no natural identity, so that it can be found again.
///
/// Its text is `retrue/LINEAGE/ENVIRONMENT/GENERATION/OBJECT/ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The UUID of the store.
    pub lineage: String,
    /// The environment; `default` where none is chosen.
    pub environment: String,
    /// The generation of the address.
    pub generation: u64,
    /// The key of the object at the address: `current`, or the key of a deposed one.
    pub object: String,
    /// The address.
    pub address: String,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Marker { lineage, environment, generation, object, address } = self;
        write!(f, "retrue/{lineage}/{environment}/{generation}/{object}/{address}")
    }
}

impl FromStr for Marker {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(6, '/');
        let mut next = || parts.next().ok_or(());
        if next()? != "retrue" {
            return Err(());
        }
        Ok(Marker {
            lineage: next()?.to_owned(),
            environment: next()?.to_owned(),
            generation: next()?.parse().map_err(|_| ())?,
            object: next()?.to_owned(),
            address: next()?.to_owned(),
        })
    }
}

/// The name of a payload that is kept outside the records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(pub String);

/// What was observed before a step began, with all that is needed to bring it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The attributes.
    pub state: Value,
    /// The provider's own bytes, among them whatever it needs to restore what attributes do not hold.
    pub private: Private,
    /// Payloads that the private bytes name; they are kept as long as the image is.
    pub blobs: Vec<BlobId>,
}

/// How much of what a step does can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", content = "reason", rename_all = "snake_case")]
pub enum Reversibility {
    /// Everything returns.
    Full,
    /// Something does not, and this is what: "rows are gone", "gets a new id".
    Lossy(String),
    /// Nothing can be undone, for this reason.
    No(String),
}

impl Reversibility {
    /// `full`, `lossy` or `no`.
    pub fn word(&self) -> &'static str {
        match self {
            Reversibility::Full => "full",
            Reversibility::Lossy(_) => "lossy",
            Reversibility::No(_) => "no",
        }
    }

    /// What is lost, or why it cannot be undone.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Reversibility::Full => None,
            Reversibility::Lossy(reason) | Reversibility::No(reason) => Some(reason),
        }
    }

    /// The worse of the two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        match (&self, &other) {
            (Reversibility::No(_), _) | (_, Reversibility::Full) => self,
            (_, Reversibility::No(_)) | (Reversibility::Full, _) => other,
            (Reversibility::Lossy(a), Reversibility::Lossy(b)) if a == b => self,
            (Reversibility::Lossy(a), Reversibility::Lossy(b)) => Reversibility::Lossy(format!("{a}; {b}")),
        }
    }
}

/// How an object whose fate is in doubt can be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Findable {
    /// By the attributes that the schema calls identity; where it calls none so, by what the
    /// configuration says about looking.
    ByIdentity,
    /// By a marker that is put on it.
    ByMarker,
    /// Nothing exists outside: the record is the whole truth. `find` answers none, a create in doubt
    /// was not carried out and is simply done again, and `read` repeats the record.
    NothingOutside,
    /// Not at all: a person has to say.
    No,
}

/// What becomes of an object whose create was interrupted, and that was found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// Where it differs from what was planned, it is tainted: the next apply makes it anew.
    #[default]
    Replaced,
    /// Where it differs from what was planned, the next apply makes the rest by an update.
    Updated,
    /// It cannot be seen whether all was done: it is tainted in any case.
    AlwaysReplaced,
}

/// What a type, with a given configuration, can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// How `find` looks for it.
    pub findable: Findable,
    /// What becomes of what an interrupted create left.
    pub unfinished: Unfinished,
    /// `read` tells what is really there. Otherwise it only repeats what was recorded, drift cannot
    /// be seen and doubt cannot be settled.
    pub observes: bool,
    /// The state that `apply` returns was read back after the effect; no further read is needed.
    pub reads_back: bool,
    /// It can be changed in place. Otherwise every change replaces.
    pub updates: bool,
    /// It can be imported by an id.
    pub imports: bool,
    /// Every effect is carried out by a process that is told to [`Children`](crate::Children) before it
    /// begins: a step in doubt for which none is recorded was certainly not carried out.
    pub by_processes: bool,
    /// The provider holds its own plans against the rules of its protocol, which may be looser than ours.
    pub checks_plans: bool,
    /// Deleting it loses data that attributes do not hold.
    pub holds_data: bool,
    /// How long after a change a read may still show the world before it.
    pub settles_within: Duration,
    /// How long each kind of call may take.
    pub time_limits: TimeLimits,
}

/// How long each kind of call may take before its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For a create.
    pub create: Duration,
    /// For a read or find.
    pub read: Duration,
    /// For an update.
    pub update: Duration,
    /// For a delete.
    pub delete: Duration,
}

impl Default for TimeLimits {
    /// 20 minutes for changes, 2 for reads.
    fn default() -> Self {
        let change = Duration::from_secs(20 * 60);
        TimeLimits { create: change, read: Duration::from_secs(120), update: change, delete: change }
    }
}

impl Default for Capability {
    /// A type with a natural identity that is seen at once, updated in place and imported.
    fn default() -> Self {
        Capability {
            findable: Findable::ByIdentity,
            unfinished: Unfinished::Replaced,
            observes: true,
            reads_back: false,
            updates: true,
            imports: true,
            by_processes: false,
            checks_plans: false,
            holds_data: false,
            settles_within: Duration::ZERO,
            time_limits: TimeLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_read_back() {
        let marker = Marker {
            lineage: "l".into(),
            environment: "prod".into(),
            generation: 3,
            object: "current".into(),
            address: "a.b[\"c/d\"]".into(),
        };
        assert_eq!(marker.to_string().parse(), Ok(marker));
        assert_eq!("other/l/prod/3/current/a".parse::<Marker>(), Err(()));
    }

    #[test]
    fn the_worse_reversibility_wins() {
        let lossy = |text: &str| Reversibility::Lossy(text.into());
        assert_eq!(Reversibility::Full.worst(lossy("a")), lossy("a"));
        assert_eq!(lossy("a").worst(Reversibility::No("b".into())), Reversibility::No("b".into()));
        assert_eq!(lossy("a").worst(lossy("b")), lossy("a; b"));
    }
}
