//! What the operator decides of decisions, and asks of them.

use super::Operator;
use super::releases::after;
use crate::Channel;
use crate::http::HttpError;
use crate::wire::{
    Blocked, ChannelNeeds, ChannelRelease, Explanation, MakerRecord, Needs, Policies, Policy, Rollout, RolloutStart,
    RolloutView, TerminalGroup,
};
use crate::words::{query, segment};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

impl Operator {
    /// Every policy.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn policies(&self) -> Result<Policies, HttpError> {
        self.ask_for("/v1/policies").await
    }

    /// Puts the policy of a group, or the one named [`DEFAULT_POLICY`](crate::wire::DEFAULT_POLICY).
    ///
    /// # Errors
    /// [`HttpError`], with code `policy_refused` when a value is out of its range.
    pub async fn put_policy(&self, name: &str, policy: &Policy) -> Result<(), HttpError> {
        self.tell::<_, Value>(Method::PUT, &format!("/v1/policies/{}", segment(name)), policy).await.map(|_| ())
    }

    /// Takes a policy away, so that the default applies.
    ///
    /// # Errors
    /// [`HttpError`], with code `policy_unknown` when there was none.
    pub async fn drop_policy(&self, name: &str) -> Result<(), HttpError> {
        let path = format!("/v1/policies/{}", segment(name));
        self.client.call::<Value>(Method::DELETE, &path, self.proof(), Vec::new()).await.map(|_| ())
    }

    /// Every blocked release.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn blocked(&self) -> Result<Vec<Blocked>, HttpError> {
        self.ask_for("/v1/blocked").await
    }

    /// Blocks a release: no terminal is assigned it any more.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn block(&self, blocked: &Blocked) -> Result<(), HttpError> {
        self.tell::<_, Value>(Method::POST, "/v1/blocked", blocked).await.map(|_| ())
    }

    /// Lets a release be assigned again.
    ///
    /// # Errors
    /// [`HttpError`], with code `release_not_blocked`.
    pub async fn unblock(&self, at: &ChannelRelease) -> Result<(), HttpError> {
        self.tell::<_, Value>(Method::POST, "/v1/unblocked", at).await.map(|_| ())
    }

    /// What channels need of machines.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn needs(&self) -> Result<Vec<ChannelNeeds>, HttpError> {
        self.ask_for("/v1/needs").await
    }

    /// Says what a channel needs.
    ///
    /// # Errors
    /// [`HttpError`], with code `needs_refused` when a list or name is too long.
    pub async fn put_needs(&self, channel: &Channel, needs: &Needs) -> Result<(), HttpError> {
        let path = format!("/v1/channels/{}/{}/needs", segment(channel.maker()), segment(channel.name()));
        self.tell::<_, Value>(Method::POST, &path, needs).await.map(|_| ())
    }

    /// Puts a terminal into a group; `None` leaves that to the terminal.
    ///
    /// # Errors
    /// [`HttpError`], with code `terminal_unknown` or `policy_refused`.
    pub async fn put_group(&self, terminal: &str, group: Option<&str>) -> Result<(), HttpError> {
        let group = TerminalGroup { group: group.map(str::to_owned) };
        let path = format!("/v1/terminals/{}/group", segment(terminal));
        self.tell::<_, Value>(Method::PUT, &path, &group).await.map(|_| ())
    }

    /// Why a terminal is assigned what it is.
    ///
    /// # Errors
    /// [`HttpError`], with code `terminal_unknown`.
    pub async fn explain(&self, terminal: &str) -> Result<Explanation, HttpError> {
        self.ask_for(&format!("/v1/terminals/{}/explain", segment(terminal))).await
    }

    /// The makers' records, the best first.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn makers_record(&self) -> Result<Vec<MakerRecord>, HttpError> {
        self.ask_for("/v1/makers-record").await
    }

    /// Every rollout with its counts, ascending by channel and number: all of them, page by page.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn rollouts(&self) -> Result<Vec<RolloutView>, HttpError> {
        let mut views = Vec::new();
        while let Some(more) = self.rollouts_after(views.last()).await? {
            views.extend(more);
        }
        Ok(views)
    }

    /// The next of them after `last`, or the first; nothing when there are no more.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn rollouts_after(&self, last: Option<&RolloutView>) -> Result<Option<Vec<RolloutView>>, HttpError> {
        let after = last.map(|last| after(&last.rollout.at)).unwrap_or_default();
        let views: Vec<_> = self.ask_for(&query("/v1/rollouts", &[("after", &after)])).await?;
        Ok(Some(views).filter(|views| !views.is_empty()))
    }

    /// Rolls a release out ring by ring, from the first.
    ///
    /// # Errors
    /// [`HttpError`], with code `release_unknown` or `rings_refused`.
    pub async fn start_rollout(&self, start: &RolloutStart) -> Result<Rollout, HttpError> {
        self.tell(Method::POST, "/v1/rollouts", start).await
    }

    /// Stops a rollout: nobody else gets the release.
    ///
    /// # Errors
    /// [`HttpError`], with code `rollout_unknown` or `rollout_changed`.
    pub async fn halt_rollout(&self, at: &ChannelRelease) -> Result<Rollout, HttpError> {
        self.tell(Method::POST, "/v1/rollouts/halt", at).await
    }

    /// Goes on with a halted rollout at its ring.
    ///
    /// # Errors
    /// [`HttpError`], with code `rollout_unknown`, `rollout_changed` or `rollout_not_halted`.
    pub async fn resume_rollout(&self, at: &ChannelRelease) -> Result<Rollout, HttpError> {
        self.tell(Method::POST, "/v1/rollouts/resume", at).await
    }

    async fn ask_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.client.call(Method::GET, path, self.proof(), Vec::new()).await
    }

    async fn tell<B: Serialize, T: DeserializeOwned>(&self, method: Method, path: &str, body: &B) -> Result<T, HttpError> {
        let body = serde_json::to_vec(body).expect("it is plain JSON");
        self.client.call(method, path, self.proof(), body).await
    }
}
