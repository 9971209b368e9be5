//! Checks the method and the token of a request for a resource, and calls its handler.

use http::request::Parts;
use http::{HeaderValue, Method, header};

use super::resource::ApiResource;
use crate::platform::Platform;
use crate::service::answer::{Answer, BrokenOff, FollowUp, Service};
use crate::service::auth;
use crate::service::problem::Refusal;

impl<P: Platform> Service<'_, P> {
    /// Answers a request for a resource. Checks the method, then the token, then the query.
    pub(in crate::service) async fn api(
        &self,
        resource: ApiResource,
        head: &Parts,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let allow = resource.allow();
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Refusal::Method { allow });
        }
        let settings = self.settings()?;
        if matches!(resource, ApiResource::Pending(_) | ApiResource::Sent(_)) {
            // Their handlers check the destination's own secret.
        } else if matches!(head.method, Method::GET | Method::HEAD) {
            auth::reader(head, settings.read_tokens.as_ref())?;
        } else {
            auth::admin(head, settings)?;
        }
        let removes = head.method == Method::DELETE;
        let delivers = matches!(resource, ApiResource::Act(..) | ApiResource::CheckAppliance(_));
        let mut follow_up = if delivers { FollowUp::deliver() } else { FollowUp::default() };
        let mut log = Vec::new();
        let mut response = match resource {
            ApiResource::Sessions => self.sessions(head).await,
            ApiResource::Session(site, lsid) if removes => self.remove_session(head, &site, &lsid).await,
            ApiResource::Session(site, lsid) => self.session(head, &site, &lsid).await,
            ApiResource::Events if removes => self.remove_events(head).await,
            ApiResource::Events => self.events(head).await,
            ApiResource::Event(id) => self.event(head, id).await,
            ApiResource::SetAsides => self.set_asides(head).await,
            ApiResource::SetAside(id) => self.remove_set_aside(head, id).await,
            ApiResource::Retry(id) => self.retry(head, id, &mut log).await.map(|(response, stored)| {
                follow_up = stored;
                response
            }),
            ApiResource::Destinations => self.destinations(head).await,
            ApiResource::Refused(name) => self.refused(head, &name).await,
            ApiResource::Act(name, action) => self.act(head, &name, action).await.map(|(response, line)| {
                log.extend(line);
                response
            }),
            ApiResource::Pending(name) => self.pending(head, &name).await,
            ApiResource::Sent(name) => self.sent(head, &name, chunk).await,
            ApiResource::Appliances => self.appliances(head).await,
            ApiResource::CheckAppliance(site) => self.check_appliance(head, &site, &mut log).await,
            ApiResource::Stats => self.stats(head).await,
            ApiResource::Statistics => self.statistics(head).await,
            ApiResource::Now => self.now(head).await,
            ApiResource::Pack => self.pack(head, &mut log).await,
        }?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Answer { follow_up, ..Answer::new(response).with_log(log) })
    }
}
