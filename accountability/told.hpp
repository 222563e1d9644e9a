// Executed updates on their way from the core's thread to the recorder's: packed one behind another, so that telling
// and listening take no memory per update, and reading goes straight through it. An operation that is in its evidence
// is there once.
#pragma once
#include "replication/observed_application.hpp"

namespace seneschal::accountability {

class Told {
 public:
  using Executed = replication::ExecutionObserver::Executed;

  void add(const Executed& update);
  /// What `other` has, behind what is here.
  void add(const Told& other);
  std::size_t updates() const { return updates_; }
  std::size_t bytes() const { return packed_.size(); }
  /// Keeps its memory, unless that is much.
  void clear();

  /// Reads from the beginning on. What a reader handed out lasts until it is asked again.
  class Reader {
   public:
    explicit Reader(const Told& told) : left_(told.packed_) {}
    bool done() const { return left_.empty(); }
    const Executed& next();

   private:
    template <class T>
    T number();
    Span bytes(std::size_t size);
    void names(std::vector<Bytes>& out, std::size_t count);

    Span left_;
    Executed update_;
    replication::Footprint footprint_;
  };

 private:
  std::uint32_t find(Span operation, Span evidence);

  Bytes packed_;
  std::size_t behind_ = 0;  // so far before the end of its evidence the last operation ended
  std::size_t updates_ = 0;
};

}  // namespace seneschal::accountability
