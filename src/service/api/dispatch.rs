//! Checks method and token of a request for a resource, and calls its handler.

use http::request::Parts;
use http::{HeaderValue, Method, header};

use super::resource::Resource;
use crate::platform::Platform;
use crate::service::answer::{After, Answer, BrokenOff, Service};
use crate::service::auth;
use crate::service::problem::Refusal;

impl<P: Platform> Service<'_, P> {
    /// Answers a request for a resource: method, token, query, in this order.
    pub(in crate::service) async fn api(
        &self,
        resource: Resource,
        head: &Parts,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let allow = resource.allow();
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Refusal::Method { allow });
        }
        let settings = self.settings()?;
        if matches!(resource, Resource::Pending(_) | Resource::Sent(_)) {
            // Who may is for the destination's own secret to say.
        } else if matches!(head.method, Method::GET | Method::HEAD) {
            auth::reader(head, settings.read_tokens.as_ref())?;
        } else {
            auth::admin(head, settings)?;
        }
        let removes = head.method == Method::DELETE;
        let mut after = if matches!(resource, Resource::Act(..)) { After::deliver() } else { After::default() };
        let mut log = Vec::new();
        let mut response = match resource {
            Resource::Sessions => self.sessions(head).await,
            Resource::Session(site, lsid) if removes => self.remove_session(head, &site, &lsid).await,
            Resource::Session(site, lsid) => self.session(head, &site, &lsid).await,
            Resource::Events if removes => self.remove_events(head).await,
            Resource::Events => self.events(head).await,
            Resource::Event(id) => self.event(head, id).await,
            Resource::SetAsides => self.set_asides(head).await,
            Resource::SetAside(id) => self.remove_set_aside(head, id).await,
            Resource::Retry(id) => self.retry(head, id, &mut log).await.map(|(response, stored)| {
                after = stored;
                response
            }),
            Resource::Destinations => self.destinations(head).await,
            Resource::Refused(name) => self.refused(head, &name).await,
            Resource::Act(name, action) => self.act(head, &name, action).await.map(|(response, line)| {
                log.extend(line);
                response
            }),
            Resource::Pending(name) => self.pending(head, &name).await,
            Resource::Sent(name) => self.sent(head, &name, chunk).await,
            Resource::Stats => self.stats(head).await,
            Resource::Pack => self.pack(head, &mut log).await,
        }?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Answer { after, ..Answer::new(response).with_log(log) })
    }
}
