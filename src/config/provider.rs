//! Which configuration of a provider a block uses.

use std::sync::Arc;

use crate::resilience::Policy;

use super::stack::{ProviderBlock, ProviderProgram, ResourceBlock, Stack};

impl Stack {
    /// The name of the provider configuration that a block uses: the one that it picks, else the longest
    /// that its type begins with, else the first word of its type, which then is configured by nothing.
    ///
    /// Only configurations without a `type` of another name are found by the type: `[provider.replica]`
    /// with `type = "postgres"` must be picked.
    pub fn provider_name(&self, block: &ResourceBlock) -> Arc<str> {
        if let Some((name, _)) = &block.provider {
            return Arc::clone(name);
        }
        let type_name = &block.address.type_name;
        let mut prefix: &str = type_name;
        loop {
            if let Some((name, provider)) = self.providers.get_key_value(prefix)
                && provider.type_name == *name
            {
                return Arc::clone(name);
            }
            match prefix.rsplit_once('_') {
                Some((shorter, _)) => prefix = shorter,
                None => return prefix.into(),
            }
        }
    }

    /// What is done about failures of calls to a configuration of a provider, and how much is asked of it at once.
    pub fn policy(&self, name: &str) -> Policy {
        let policy = Policy::default().with(&self.settings.resilience);
        match self.providers.get(name) {
            Some(provider) => policy.with(&provider.resilience),
            None => policy,
        }
    }

    /// Where the program of a configuration is to be had: what it says itself, else what the
    /// configuration that has the name of the provider says.
    pub fn program_of<'s>(&'s self, provider: &'s ProviderBlock) -> Option<&'s ProviderProgram> {
        let named = || self.providers.get(&provider.type_name).and_then(|named| named.program.as_ref());
        provider.program.as_ref().or_else(named)
    }

    /// Which provider (its type, not its configuration) a block belongs to.
    pub fn provider_type(&self, block: &ResourceBlock) -> Arc<str> {
        let name = self.provider_name(block);
        match self.providers.get(&name) {
            Some(provider) => Arc::clone(&provider.type_name),
            None => name,
        }
    }

    /// Whether a block picks a provider that is neither declared nor the one that its type begins with.
    pub(super) fn picks_nobody(&self, block: &ResourceBlock) -> bool {
        let Some((name, _)) = &block.provider else { return false };
        let rest = block.address.type_name.strip_prefix(name.as_ref());
        let of_type = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        !of_type && !self.providers.contains_key(name)
    }
}
