//! Sends events again: refused ones that an administrator asked to retry, and replays.

use super::{AT_A_TIME, End, Round, Step};
use crate::archive::events::{Cursor, Wanted};
use crate::archive::{self, Listing, View, events};
use crate::event::Timestamp;
use crate::forward::standing;
use crate::identity::Id;
use crate::keys::{ForwardKey, Forwards};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

impl<P: Platform> Round<'_, P> {
    /// Sends what was refused and is to go once more, and a part of a replay. Whether there was any.
    pub(super) async fn send_again(&mut self, listing: &Listing) -> Result<(bool, Option<End>), StoreError> {
        let own: Vec<_> = listing.forwards.iter().filter(|key| key.destination == self.destination.name).collect();
        for key in &own {
            if let Forwards::Again(id) = key.what {
                let end = self.send_refused(key, id).await?;
                return Ok((true, end));
            }
        }
        for key in &own {
            if let Forwards::Replay(from, to) = key.what {
                let end = self.send_replay(key, from, to).await?;
                return Ok((true, end));
            }
        }
        Ok((false, None))
    }

    async fn send_refused(&mut self, key: &ForwardKey, id: Id) -> Step {
        let store = self.store();
        let found =
            archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| events::one(view, id).await)
                .await?;
        let end = match found {
            Some(entry) => self.send(&entry).await?,
            // It was erased.
            None => {
                store.delete(&standing::key(&self.destination.name, Forwards::Refused(id))).await?;
                None
            }
        };
        // Where it failed it is to go once more as before.
        if !matches!(end, Some(End::Failing(_) | End::Over | End::Allowance)) {
            store.delete(&key.to_string()).await?;
        }
        Ok(end)
    }

    /// Sends a page of what is stored of a time, and writes down how far it is.
    async fn send_replay(&mut self, key: &ForwardKey, from: Timestamp, to: Timestamp) -> Step {
        let store = self.store();
        let name = key.to_string();
        let Some(value) = store.get(&name).await? else { return Ok(None) };
        let after = str::from_utf8(&value).ok().and_then(|text| Cursor::parse(text).ok());
        let wanted = Wanted {
            site: None,
            event: None,
            from: Some(from),
            to: Some(to),
            after,
            limit: AT_A_TIME,
            max_bytes: 4 << 20,
        };
        let page = archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| {
            events::list(view, &wanted).await
        })
        .await?;
        let mut last = None;
        for entry in page.events {
            if let Some(end) = self.send(&entry).await? {
                if let Some(last) = last {
                    self.keep().await?;
                    store.set(&name, String::as_bytes(&last)).await?;
                }
                return Ok(Some(end));
            }
            last = Some(entry.key.to_string());
        }
        self.keep().await?;
        match page.next {
            Some(next) => store.set(&name, next.to_string().as_bytes()).await?,
            None => store.delete(&name).await?,
        }
        Ok(None)
    }
}
