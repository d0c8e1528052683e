//! Out of the trash again, and why nothing more can be done with it.

use crate::{
    error::{Detail, Error},
    platform::{Method, Platform},
    service::{Call, Service, path_segment},
    wire::Node,
};

impl<P: Platform> Service<P> {
    /// Takes a node out of the trash, back to where it was.
    pub(crate) async fn restore(&self, id: &str) -> Result<Node, Error> {
        let what = "restore a node from the trash";
        let call = Call {
            what,
            method: Method::Post,
            url: format!("{}trash/{}/restore", self.metadata, path_segment(id)),
            json: None,
            range: None,
            authorized: true,
            // Restored twice it is there, or not in the trash.
            idempotent: true,
        };
        let error = match self.whole(&call).await {
            Ok(_) => Error::protocol(what, "it is still in the trash"),
            Err(error @ Error::NameConflict { .. }) => return Err(error),
            Err(error) => error,
        };
        // A reply does not have all of the node; and a refusal may be about a try after one
        // that worked.
        match self.stat_id(id).await {
            Ok(node) => Ok(node),
            Err(Error::NotFound(_)) => Err(self.why_not_restored(id, error).await),
            Err(_) => Err(error),
        }
    }

    /// The service does not say it well that a folder must be restored first.
    async fn why_not_restored(&self, id: &str, error: Error) -> Error {
        let call = Call::get("look at a node in the trash", self.node_url(id));
        let Ok(body) = self.whole(&call).await else {
            return error;
        };
        let Ok(node) = self.node(call.what, &body) else {
            return error;
        };
        for parent in node.into_node(self.encoding).parents {
            if let Err(Error::NotFound(_)) = self.stat_id(&parent).await {
                return Error::InvalidArgument(Detail::new(format!(
                    "its folder is in the trash too: restore that one first, node {parent}"
                )));
            }
        }
        error
    }
}

/// Why nothing is ever purged: what the service answers to any program that is not its own.
pub(crate) const PURGE_REFUSED: &str = "the service lets no program but its own purge nodes; \
    it empties the trash itself, 30 days after a node went there";
