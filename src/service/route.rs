//! Maps paths to handlers.

use std::pin::Pin;

use http::Method;
use http::request::Parts;

use super::answer::{Answer, BrokenOff, Service};
use super::api::resource::ApiResource;
use super::page;
use super::problem::Refusal;
use super::tick::TickWork;
use crate::identity::Site;
use crate::platform::Platform;

impl<P: Platform> Service<'_, P> {
    /// Answers a request.
    ///
    /// `head` is the request without its body, or the reason why it could not be parsed. `chunk` returns the next
    /// part of the body and `None` at its end. It is called only while the body is needed.
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
        let site = match (Route::parse(head.uri.path())?, &head.method) {
            (Route::Ingest(site), &Method::POST) => site,
            (Route::Front, &Method::POST) => Site::default(),
            (route, _) => return self.route_others(route, &head, chunk).await,
        };
        self.ingest(site, &head, chunk).await
    }

    /// Answers requests other than events. Boxed in a function of its own, so that they take no room in the memory of an
    /// event: each page of it that is written must be cleared.
    #[inline(never)]
    fn route_others<'f>(
        &'f self,
        route: Route,
        head: &'f Parts,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff> + 'f,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + 'f>> {
        Box::pin(async move {
            match (route, &head.method) {
                (Route::Front, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::page())),
                (Route::OpenApi, &Method::GET | &Method::HEAD) => Ok(Answer::new(page::openapi())),
                (Route::Ingest(_), _) => Err(Refusal::Method { allow: "POST" }),
                (Route::Front, _) => Err(Refusal::Method { allow: "GET, HEAD, POST" }),
                (Route::Api(resource), _) => self.api(resource, head, chunk).await,
                (Route::Tick(work), &Method::GET | &Method::POST) => self.tick(head, work).await,
                (Route::Tick(_), _) => Err(Refusal::Method { allow: "GET, POST" }),
                (Route::Health, &Method::GET | &Method::HEAD) => Ok(self.health().await),
                (Route::Health | Route::OpenApi, _) => Err(Refusal::Method { allow: "GET, HEAD" }),
            }
        })
    }
}

/// The handler of a path.
enum Route {
    /// The page, and events of the site `default`.
    Front,
    Ingest(Site),
    Api(ApiResource),
    OpenApi,
    Health,
    Tick(TickWork),
}

impl Route {
    fn parse(path: &str) -> Result<Self, Refusal> {
        match path {
            "/" => Ok(Self::Front),
            "/events" | "/events/" => Ok(Self::Ingest(Site::default())),
            "/openapi.yaml" => Ok(Self::OpenApi),
            "/health" => Ok(Self::Health),
            "/tick" => Ok(Self::Tick(TickWork::All)),
            "/tick/deliveries" => Ok(Self::Tick(TickWork::Deliveries)),
            "/tick/checks" => Ok(Self::Tick(TickWork::Checks)),
            _ => match (path.strip_prefix("/events/"), path.strip_prefix("/api/")) {
                (Some(site), _) => {
                    // People end the URLs that they type with a slash.
                    let site = site.strip_suffix('/').unwrap_or(site);
                    Site::parse(site).map(Self::Ingest).ok_or(Refusal::Site)
                }
                (_, Some(path)) => ApiResource::parse(path).map(Self::Api),
                _ => Err(Refusal::Path),
            },
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Front => "/",
            // Also for `/events`, the same path without a site.
            Self::Ingest(_) => "/events/{site}",
            Self::Api(resource) => resource.name(),
            Self::OpenApi => "/openapi.yaml",
            Self::Health => "/health",
            Self::Tick(TickWork::All) => "/tick",
            Self::Tick(TickWork::Deliveries) => "/tick/deliveries",
            Self::Tick(TickWork::Checks) => "/tick/checks",
        }
    }
}

/// The name of a path in `openapi.yaml`, and the site whose events it accepts. For metrics: paths are unlimited,
/// these names are few. `None` for an unknown path.
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

/// Whether a path belongs to the API of readers and administrators, whose requests may list all keys. For hosts that
/// reserve capacity for events.
pub fn is_for_readers(path: &str) -> bool {
    matches!(Route::parse(path), Ok(Route::Api(_)))
}
