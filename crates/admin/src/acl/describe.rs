//! Listing ACLs.

use klamm_codec::messages::{DescribeAclsRequest, DescribeAclsResponse};

use super::binding::{Acl, AclFilter, AclPermission, AclResourceKind, PatternKind};
use super::operation::AclOperation;
use crate::admin::Admin;
use crate::driver::{Answers, Batch, Call, Target, drive_one};
use crate::error::Error;
use crate::wire::text;

impl Admin {
    /// The ACLs that `filter` lets through.
    ///
    /// # Errors
    /// [`Error::Refused`]: `SECURITY_DISABLED` without an authorizer, `CLUSTER_AUTHORIZATION_FAILED`;
    /// [`Error::Net`].
    ///
    /// # Examples
    /// ```
    /// # async fn list(admin: klamm_admin::Admin) -> Result<(), klamm_admin::Error> {
    /// use klamm_admin::AclFilter;
    ///
    /// for acl in admin.describe_acls(AclFilter::any()).await? {
    ///     println!("{acl}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn describe_acls(&self, filter: AclFilter) -> Result<Vec<Acl>, Error> {
        let mut acls = drive_one(self, Describe, filter).await?;
        acls.sort();
        Ok(acls)
    }
}

struct Describe;

impl Call for Describe {
    const FOR_CONTROLLERS: bool = true;
    type Key = AclFilter;
    type Value = Vec<Acl>;
    type Request = DescribeAclsRequest;

    fn target(&self, _: &AclFilter) -> Target {
        Target::Any
    }

    fn request(&self, batch: &Batch<AclFilter>) -> Result<DescribeAclsRequest, Error> {
        let filter = &batch.keys[0];
        Ok(DescribeAclsRequest::default()
            .with_resource_type_filter(filter.resource.number())
            .with_resource_name_filter(filter.name.as_deref().map(text))
            .with_pattern_type_filter(filter.pattern.number())
            .with_principal_filter(filter.principal.as_deref().map(text))
            .with_host_filter(filter.host.as_deref().map(text))
            .with_operation(filter.operation.number())
            .with_permission_type(filter.permission.number()))
    }

    fn read(
        &self,
        batch: &Batch<AclFilter>,
        response: DescribeAclsResponse,
        answers: &mut Answers<AclFilter, Vec<Acl>>,
    ) {
        answers.throttled(response.throttle_time_ms);
        let acls = response.resources.iter().flat_map(|resource| {
            let acls = resource.acls.iter();
            acls.map(|acl| Acl {
                resource: AclResourceKind::of(resource.resource_type),
                name: resource.resource_name.to_string(),
                pattern: PatternKind::of(resource.pattern_type),
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: AclOperation::of(acl.operation),
                permission: AclPermission::of(acl.permission_type),
            })
        });
        let (key, code) = (batch.keys[0].clone(), response.error_code);
        answers.answer(key, code, response.error_message.clone(), || acls.collect());
    }
}
