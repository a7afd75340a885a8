//! Creating ACLs.

use klamm_codec::messages::create_acls_request::AclCreation;
use klamm_codec::messages::{CreateAclsRequest, CreateAclsResponse};

use super::binding::Acl;
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::text;

impl Admin {
    /// Creates ACLs; those that are there already stay.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of them; what befalls one is in its result:
    /// `SECURITY_DISABLED` without an authorizer, `INVALID_REQUEST`.
    ///
    /// # Examples
    /// ```
    /// # async fn permit(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::{Acl, AclOperation, AclResourceKind};
    ///
    /// let read = Acl::allow("User:billing", AclOperation::Read);
    /// let on_topic = read.clone().on(AclResourceKind::Topic, "orders");
    /// let on_group = read.on(AclResourceKind::Group, "billing");
    /// admin.create_acls([on_topic, on_group]).await?.all()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_acls(
        &self,
        acls: impl IntoIterator<Item = Acl>,
    ) -> Result<Results<Acl, ()>, Error> {
        drive(self, Create, acls).await
    }
}

struct Create;

impl Call for Create {
    const FOR_CONTROLLERS: bool = true;
    type Key = Acl;
    type Value = ();
    type Request = CreateAclsRequest;

    fn target(&self, _: &Acl) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<Acl>) -> Result<CreateAclsRequest, Error> {
        let creation = |acl: &Acl| {
            AclCreation::default()
                .with_resource_type(acl.resource.number())
                .with_resource_name(text(&acl.name))
                .with_resource_pattern_type(acl.pattern.number())
                .with_principal(text(&acl.principal))
                .with_host(text(&acl.host))
                .with_operation(acl.operation.number())
                .with_permission_type(acl.permission.number())
        };
        let creations = batch.keys.iter().map(creation).collect();
        Ok(CreateAclsRequest::default().with_creations(creations))
    }

    /// Results have no names: they come in the order of the request.
    fn read(
        &self,
        batch: &Batch<Acl>,
        response: CreateAclsResponse,
        answers: &mut Answers<Acl, ()>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for (acl, result) in batch.keys.iter().zip(response.results) {
            answers.answer(acl.clone(), result.error_code, result.error_message, || ());
        }
    }
}
