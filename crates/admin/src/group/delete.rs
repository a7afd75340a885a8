//! Deleting groups.

use klamm_codec::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::group_id;

impl Admin {
    /// Deletes groups of any type with their offsets. They must have no members.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the groups; what befalls one group is in its
    /// result: `NON_EMPTY_GROUP`, `GROUP_ID_NOT_FOUND`.
    ///
    /// # Examples
    /// ```
    /// # async fn delete(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// admin.delete_groups(["billing"]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_groups<S: Into<String>>(
        &self,
        groups: impl IntoIterator<Item = S>,
    ) -> Result<Results<String, ()>, Error> {
        drive(self, Delete, groups.into_iter().map(Into::into)).await
    }
}

struct Delete;

impl Call for Delete {
    const NOUN: &'static str = "group";
    type Key = String;
    type Value = ();
    type Request = DeleteGroupsRequest;

    fn target(&self, group: &String) -> Target {
        Target::Group(group.clone())
    }

    fn request(&self, batch: &Batch<String>) -> Result<DeleteGroupsRequest, Error> {
        let groups = batch.keys.iter().map(|group| group_id(group));
        Ok(DeleteGroupsRequest::default().with_groups_names(groups.collect()))
    }

    fn read(
        &self,
        _: &Batch<String>,
        response: DeleteGroupsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for group in response.results {
            answers.answer(group.group_id.to_string(), group.error_code, None, || ());
        }
    }
}
