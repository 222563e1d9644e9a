// How the laboratory makes each protocol's cores.
#pragma once
#include "lab/deployment.hpp"
#include "replication/application.hpp"
#include "replication/client_core.hpp"

namespace seneschal::lab::sim {

/// Message types that servers of the deployment understand.
MessageTable server_messages(Protocol protocol);
/// A server's core; `patience` above 0 is Steward's least T1 instead of the product's. Errors: options out of range,
/// a membership of the wrong shape.
Result<std::unique_ptr<Core>> make_server(const Deployment& deployment, const Membership& membership, ServerId self,
                                          std::unique_ptr<replication::Application> application,
                                          Duration patience = {});
/// Settings of a client of the deployment.
replication::ClientSettings client_settings(const Deployment& deployment, const Membership& membership,
                                            const ClientInfo& self);

}  // namespace seneschal::lab::sim
