//! Deleting ACLs.

use klamm_codec::ErrorCode;
use klamm_codec::api::Request as _;
use klamm_codec::messages::delete_acls_request::DeleteAclsFilter;
use klamm_codec::messages::{DeleteAclsRequest, DeleteAclsResponse};

use super::binding::{Acl, AclFilter, AclPermission, AclResourceKind, PatternKind};
use super::operation::AclOperation;
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive};
use crate::error::Error;
use crate::results::Results;
use crate::wire::text;

impl Admin {
    /// Deletes the ACLs that filters let through; gives what became of each of them, by filter.
    ///
    /// # Errors
    /// [`Error::Net`] if nothing is known about any of the filters; what befalls one is in its
    /// result.
    ///
    /// # Examples
    /// ```
    /// # async fn forbid(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::AclFilter;
    ///
    /// let of_billing = AclFilter::any().principal("User:billing");
    /// for deleted in admin.delete_acls([of_billing]).await?.all()? {
    ///     println!("{:?}", deleted.all()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_acls(
        &self,
        filters: impl IntoIterator<Item = AclFilter>,
    ) -> Result<Results<AclFilter, Results<Acl, Acl>>, Error> {
        drive(self, Delete, filters).await
    }
}

struct Delete;

impl Call for Delete {
    const FOR_CONTROLLERS: bool = true;
    type Key = AclFilter;
    type Value = Results<Acl, Acl>;
    type Request = DeleteAclsRequest;

    fn target(&self, _: &AclFilter) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<AclFilter>) -> Result<DeleteAclsRequest, Error> {
        let filter = |filter: &AclFilter| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(filter.resource.number())
                .with_resource_name_filter(filter.name.as_deref().map(text))
                .with_pattern_type_filter(filter.pattern.number())
                .with_principal_filter(filter.principal.as_deref().map(text))
                .with_host_filter(filter.host.as_deref().map(text))
                .with_operation(filter.operation.number())
                .with_permission_type(filter.permission.number())
        };
        let filters = batch.keys.iter().map(filter).collect();
        Ok(DeleteAclsRequest::default().with_filters(filters))
    }

    /// Results have no names: they come in the order of the request.
    fn read(
        &self,
        batch: &Batch<AclFilter>,
        response: DeleteAclsResponse,
        answers: &mut Answers<AclFilter, Results<Acl, Acl>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        for (filter, result) in batch.keys.iter().zip(response.filter_results) {
            let deleted = result.matching_acls.into_iter().map(|deleted| {
                let acl = Acl {
                    resource: AclResourceKind::of(deleted.resource_type),
                    name: deleted.resource_name.to_string(),
                    pattern: PatternKind::of(deleted.pattern_type),
                    principal: deleted.principal.to_string(),
                    host: deleted.host.to_string(),
                    operation: AclOperation::of(deleted.operation),
                    permission: AclPermission::of(deleted.permission_type),
                };
                let outcome = match ErrorCode(deleted.error_code).check() {
                    Ok(()) => Ok(acl.clone()),
                    Err(code) => Err(Error::refused(
                        DeleteAclsRequest::API,
                        acl.to_string(),
                        code,
                    )),
                };
                (acl, outcome)
            });
            let (code, message) = (result.error_code, result.error_message);
            answers.answer(filter.clone(), code, message, || Results::of(deleted));
        }
    }
}
