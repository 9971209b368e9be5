//! Where a path leads, and who answers there.

use http::Method;
use http::request::Parts;

use super::answer::{Answer, BrokenOff, Service};
use super::api::resource::ApiResource;
use super::page;
use super::problem::Refusal;
use crate::identity::Site;
use crate::platform::Platform;

impl<P: Platform> Service<'_, P> {
    /// Answers a request.
    ///
    /// `head` is the request without its body, or why it could not be read as one. `chunk` gives the next part of the
    /// body and `None` at its end; it is called only once the body is wanted, and no more once it is refused.
    pub async fn handle(
        &self,
        head: Result<Parts, http::Error>,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Answer {
        self.route(head, chunk)
            .await
            .unwrap_or_else(|refusal| Answer { log: refusal.log(), ..Answer::new(refusal.response()) })
    }

    async fn route(
        &self,
        head: Result<Parts, http::Error>,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let head = head.map_err(|_| Refusal::Unreadable)?;
        match (Route::parse(head.uri.path())?, &head.method) {
            (Route::Ingest(site), &Method::POST) => self.ingest(site, &head, chunk).await,
            (Route::Front, &Method::POST) => self.ingest(Site::default(), &head, chunk).await,
            (Route::Front, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::page())),
            (Route::OpenApi, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::openapi())),
            (Route::Ingest(_), _) => Err(Refusal::Method { allow: "POST" }),
            (Route::Front, _) => Err(Refusal::Method { allow: "GET, HEAD, POST" }),
            (Route::Api(resource), _) => self.api(resource, &head, chunk).await,
            (Route::Tick, &Method::GET | &Method::POST) => self.tick(&head).await,
            (Route::Tick, _) => Err(Refusal::Method { allow: "GET, POST" }),
            (Route::Health, &Method::GET | &Method::HEAD) => Ok(self.health().await),
            (Route::Health | Route::OpenApi, _) => Err(Refusal::Method { allow: "GET, HEAD" }),
        }
    }
}

/// Where a path leads.
enum Route {
    /// The page, and events of the site `default`.
    Front,
    Ingest(Site),
    Api(ApiResource),
    OpenApi,
    Health,
    Tick,
}

impl Route {
    fn parse(path: &str) -> Result<Self, Refusal> {
        match path {
            "/" => Ok(Self::Front),
            "/events" => Ok(Self::Ingest(Site::default())),
            "/openapi.yaml" => Ok(Self::OpenApi),
            "/health" => Ok(Self::Health),
            "/tick" => Ok(Self::Tick),
            _ => match (path.strip_prefix("/events/"), path.strip_prefix("/api/")) {
                (Some(site), _) => Site::parse(site).map(Self::Ingest).ok_or(Refusal::Site),
                (_, Some(path)) => ApiResource::parse(path).map(Self::Api),
                _ => Err(Refusal::Path),
            },
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Front => "/",
            // Both spellings of it.
            Self::Ingest(_) => "/events/{site}",
            Self::Api(resource) => resource.name(),
            Self::OpenApi => "/openapi.yaml",
            Self::Health => "/health",
            Self::Tick => "/tick",
        }
    }
}

/// What a path leads to, by its name in `openapi.yaml`, and the site whose events are taken there: for who counts requests, since paths
/// are without end and these names are few. `None` where nothing is.
pub fn route_name(path: &str) -> Option<(&'static str, Option<Site>)> {
    let route = Route::parse(path).ok()?;
    let name = route.name();
    let site = match route {
        Route::Ingest(site) => Some(site),
        Route::Front => Some(Site::default()),
        _ => None,
    };
    Some((name, site))
}

/// Whether a path is one of those that readers and administrators ask for, who may need to list all keys: for who keeps room for events.
pub fn is_for_readers(path: &str) -> bool {
    matches!(Route::parse(path), Ok(Route::Api(_)))
}
