//! Resolves the names of destinations and drops addresses that are not public.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::guest::outgoing::address::is_public;

/// Resolves names. Connections use the returned addresses, so a second look-up cannot change the target.
#[derive(Clone)]
pub(super) struct Resolver {
    /// Whether addresses that are not public are allowed.
    pub(super) private: bool,
}

/// Why a name has no allowed address.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("the address is not public, and the destination does not say private")]
    Prohibited,
    #[error("{0}")]
    Unknown(#[from] io::Error),
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private = self.private;
        Box::pin(async move {
            let all: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = all.into_iter().filter(|address| private || is_public(address.ip())).collect();
            if allowed.is_empty() { Err(ResolveError::Prohibited) } else { Ok(allowed.into_iter()) }
        })
    }
}
