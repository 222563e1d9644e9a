// Keys on disk. What `generate_keys` writes:
//
//   deployment.txt                   which sites there are
//   site-K/public.txt                public keys of the site, its servers and its clients
//   site-K/server-I/signing.pem      private key (PKCS#8 after a few lines that say whose it is)
//                  /macs.txt         pairwise MAC keys
//                  /exchange.txt     secret from which its MAC keys with clients follow that join at run time
//                  /threshold.txt    share of the site's key, if the site has one
//   client-C/signing.pem, macs.txt
//
// A client that joins at run time makes its own (joining.hpp): client-C/signing.pem, macs.txt, joined.txt.
//
// Private files are 0600 in directories 0700. A machine needs deployment.txt, the public files, and the directories
// of those who run on it.
#pragma once
#include "crypto/exchange.hpp"
#include "crypto/key_plan.hpp"
#include "crypto/mac.hpp"
#include "crypto/threshold_rsa.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace seneschal::crypto {

std::filesystem::path site_directory(const std::filesystem::path& dir, SiteId site);
/// Of a server or a client.
std::filesystem::path principal_directory(const std::filesystem::path& dir, const Principal& owner);

/// All servers and clients of a plan, in ascending order.
std::vector<Principal> key_owners(const KeyPlan& plan);

/// Called as keys are made, one call at a time: what was made, and how many of how many keys exist.
using KeyProgress = std::function<void(const std::string& made, std::size_t done, std::size_t total)>;

/// Makes every key of the plan under `dir`, which is created and must be empty. Uses all processors: an RSA-2048 key
/// takes about 0.1 s, a site's threshold key 1 s. Error, with the path, if the plan is not valid or something cannot
/// be written; "interrupted" soon after `stop` says true. After an error nothing that was made is left in `dir`.
Status generate_keys(const KeyPlan& plan, const std::filesystem::path& dir, const KeyProgress& progress = {},
                     const StopSearch& stop = {});

/// Makes the keys of `plan` under `dir`, as above, from those under `from`, which are of the same servers and of
/// fewer clients: servers, sites and clients keep theirs, and only clients that are new get some. Nothing under
/// `from` changes. Error, with what differs or the path, if the plan has other servers, sites or sizes, or leaves a
/// client out, or if a file is missing or damaged.
Status extend_keys(const std::filesystem::path& from, const KeyPlan& plan, const std::filesystem::path& dir,
                   const KeyProgress& progress = {}, const StopSearch& stop = {});

/// Everything public in a deployment.
struct PublicKeys {
  KeyPlan plan;
  std::map<Principal, PublicKey> signers;  // servers and clients
  std::map<SiteId, ThresholdPublicKey> sites;
  std::map<Principal, ExchangePublicKey> exchange;  // servers; none of a deployment made before there were such keys
};
/// Reads deployment.txt and every site's public.txt. Error, with file and line, if one is missing, malformed or of
/// another deployment.
Result<PublicKeys> load_public_keys(const std::filesystem::path& dir);
/// The same for processes that are these clients alone, however many others there are: of the clients only their keys
/// are among `signers`, those of clients that joined at run time included. Clients hear servers, not each other.
Result<PublicKeys> load_public_keys_for(const std::filesystem::path& dir, const std::vector<ClientId>& clients);

/// 32 hexadecimal digits that stand for the public keys of all servers and sites. Clients have no part in it.
std::string servers_fingerprint(const PublicKeys& keys);

/// What one principal holds.
struct PrivateKeys {
  PrivateKey signing;
  std::map<Principal, MacKey> macs;
  std::optional<ThresholdShareKey> threshold;  // servers of a site with a threshold key
  std::optional<ExchangeKey> exchange;         // servers, if the public files say so
};
/// Reads `self`'s directory. Error, with the file, if one is missing, malformed, accessible to others, somebody
/// else's, of another deployment, or does not fit the public keys.
Result<PrivateKeys> load_private_keys(const std::filesystem::path& dir, const Principal& self,
                                      const PublicKeys& known);

}  // namespace seneschal::crypto
