//! The types that a provider offers. There may be a thousand of which a stack uses a few, so a provider may give their
//! names, and what works one of them out when it is first asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema::TypeSchema;

/// Works out a type by its name, or says why that cannot be done.
type Make = dyn Fn(&str) -> Result<TypeSchema, String> + Send + Sync;

type Made = OnceLock<Result<Arc<TypeSchema>, String>>;

/// Types by name. Copies share them.
#[derive(Clone, Default)]
pub struct Offered {
    types: Arc<BTreeMap<String, Made>>,
    make: Option<Arc<Make>>,
}

impl Offered {
    /// Types that are worked out when they are asked for.
    pub fn later(
        names: impl IntoIterator<Item = String>,
        make: impl Fn(&str) -> Result<TypeSchema, String> + Send + Sync + 'static,
    ) -> Self {
        let types = names.into_iter().map(|name| (name, Made::new())).collect();
        Offered { types: Arc::new(types), make: Some(Arc::new(make)) }
    }

    fn made<'m>(&self, name: &str, made: &'m Made) -> Result<&'m Arc<TypeSchema>, &'m String> {
        let make = || match &self.make {
            Some(make) => make(name).map(Arc::new),
            None => Err("nobody knows it".to_owned()),
        };
        made.get_or_init(make).as_ref()
    }

    /// One type; `None` where there is none of that name, or where it cannot be read: see [`Offered::problem`].
    pub fn get(&self, name: &str) -> Option<&Arc<TypeSchema>> {
        self.made(name, self.types.get(name)?).ok()
    }

    /// Why a type that is there cannot be read.
    pub fn problem(&self, name: &str) -> Option<&str> {
        self.made(name, self.types.get(name)?).err().map(String::as_str)
    }

    /// Whether there is one of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    /// All names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.types.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// All that can be read, in the order of their names. Each is worked out for it.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Arc<TypeSchema>)> {
        self.types.iter().filter_map(|(name, made)| Some((name, self.made(name, made).ok()?)))
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Arc<TypeSchema>> {
        for (name, made) in self.types.iter() {
            // What cannot be read is passed over below.
            let _ = self.made(name, made);
        }
        Arc::make_mut(&mut self.types).values_mut().filter_map(|made| made.get_mut()?.as_mut().ok())
    }
}

impl FromIterator<(String, Arc<TypeSchema>)> for Offered {
    fn from_iter<I: IntoIterator<Item = (String, Arc<TypeSchema>)>>(types: I) -> Self {
        let types = types.into_iter().map(|(name, one)| (name, Made::from(Ok(one)))).collect();
        Offered { types: Arc::new(types), make: None }
    }
}

impl<const N: usize> From<[(String, Arc<TypeSchema>); N]> for Offered {
    fn from(types: [(String, Arc<TypeSchema>); N]) -> Self {
        types.into_iter().collect()
    }
}

impl PartialEq for Offered {
    fn eq(&self, other: &Self) -> bool {
        self.keys().eq(other.keys()) && self.iter().eq(other.iter())
    }
}

impl Eq for Offered {}

impl fmt::Debug for Offered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.keys()).finish()
    }
}

impl Serialize for Offered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Offered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, Arc<TypeSchema>>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_type_is_worked_out_when_it_is_asked_for_and_once() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let types = Offered::later(["a", "b", "c"].map(str::to_owned), move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            match name {
                "b" => Err("it is no type".to_owned()),
                _ => Ok(TypeSchema { version: 7, ..TypeSchema::default() }),
            }
        });
        assert!(types.contains_key("a") && types.get("x").is_none() && types.problem("x").is_none());
        assert_eq!(made.load(Ordering::Relaxed), 0, "nobody asked for any");
        assert_eq!((types.get("a").map(|one| one.version), types.problem("a")), (Some(7), None));
        assert_eq!((types.get("b"), types.problem("b")), (None, Some("it is no type")));
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert_eq!(types.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((types.len(), made.load(Ordering::Relaxed)), (3, 3));
        let text = serde_json::to_string(&types).unwrap();
        let read: Offered = serde_json::from_str(&text).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert!(read.iter().eq(types.iter()) && read != types, "one of them cannot be read");
    }
}
