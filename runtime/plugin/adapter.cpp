#include "runtime/plugin/adapter.hpp"

#include <cstring>

namespace seneschal::plugin {
namespace {

Assembly& assembly(void* self) {
  return *static_cast<Assembly*>(self);
}

void put_text(const std::string& text, char* out, std::size_t capacity) {
  if (capacity == 0) return;
  const std::size_t size = std::min(text.size(), capacity - 1);
  std::memcpy(out, text.data(), size);
  out[size] = '\0';
}

int open_memory(const seneschal_host& host, const Memory& memory, std::vector<Record>& records, char* error,
                std::size_t error_size) {
  std::vector<seneschal_fact> facts;
  for (const Fact& fact : memory.facts)
    facts.push_back({fact.name.c_str(), fact.value.c_str(), fact.may_grow ? 1u : 0u, 0});
  std::vector<seneschal_member> members;
  for (const auto& [name, node] : memory.members) members.push_back({name.c_str(), node.value, 0, 0});
  const seneschal_memory asked = {sizeof(seneschal_memory), memory.keep ? 1 : 0, memory.group.c_str(),
                                  memory.member.c_str(),    facts.data(),        facts.size(),
                                  members.data(),           members.size()};
  const auto keep = [](void* arg, const std::uint8_t* data, std::size_t size) {
    static_cast<std::vector<Record>*>(arg)->push_back(to_bytes(Span(data, size)));
  };
  return host.open_memory(host.host, &asked, keep, &records, error, error_size);
}

}  // namespace

void* create(Factory make, const seneschal_host* host, const char* config, const char* folder, char* error,
             std::size_t error_size) {
  if (host->version != SENESCHAL_PLUGIN_VERSION || host->size < sizeof(seneschal_host)) {
    put_text("the node speaks version " + std::to_string(host->version) + " of the plugin contract, this plugin " +
                 std::to_string(SENESCHAL_PLUGIN_VERSION),
             error, error_size);
    return nullptr;
  }
  auto made = make({*host, config, folder});
  if (!made) {
    put_text(made.error().message, error, error_size);
    return nullptr;
  }
  Assembly& self = **made;
  std::vector<Record> records;
  const int opened = open_memory(*host, self.memory(), records, error, error_size);
  if (opened == SENESCHAL_REFUSED) return nullptr;  // the host said why
  if (Status readable = self.check_log(records); !readable) {
    put_text(readable.error().message, error, error_size);
    return nullptr;
  }
  self.replica().start(self.env().now(), records, opened == SENESCHAL_LOST);
  return made->release();
}

void datagram(void* self, const seneschal_datagram* datagram) {
  Assembly& a = assembly(self);
  a.replica().on_datagram(a.env().now(), share(to_bytes(Span(datagram->data, datagram->size))),
                          {NodeId(datagram->source_node), Port(datagram->source_port)});
}

void done(void* self, std::uint64_t ticket) {
  Assembly& a = assembly(self);
  if (auto result = a.env().take_result(Ticket(ticket)))
    a.replica().on_done(a.env().now(), Ticket(ticket), std::move(*result));
}

void time(void* self) {
  Assembly& a = assembly(self);
  (void)a.env().take_result(Ticket{});  // gives jobs that the pool refused another chance
  a.env().clear_deadline();
  a.replica().on_time(a.env().now());
}

std::int64_t deadline(void* self) {
  return assembly(self).env().deadline().ns;
}

std::size_t status(void* self, char* out, std::size_t capacity) {
  const Assembly& a = assembly(self);
  StatusList list;
  assembly(self).replica().status(list);
  a.status(list);
  list.emplace_back("dropped_sends", std::to_string(assembly(self).env().dropped_sends()));
  std::string text;
  for (const auto& [name, value] : list) text += name + " = " + value + "\n";
  put_text(text, out, capacity);
  return std::min(text.size(), capacity == 0 ? 0 : capacity - 1);
}

void destroy(void* self) {
  delete static_cast<Assembly*>(self);
}

void log_lost(void* self) {
  Assembly& a = assembly(self);
  a.replica().lose_log(a.env().now());
}

}  // namespace seneschal::plugin
