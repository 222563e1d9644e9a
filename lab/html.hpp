// A few helpers to write HTML by hand.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::lab::html {

std::string escape(std::string_view text);

/// A table built row by row; cells are escaped unless said otherwise.
class Table {
 public:
  /// `columns` starting with '>' are numbers: aligned right.
  explicit Table(std::vector<std::string> columns, std::string_view css_class = "");
  Table& row(std::string_view css_class = "");
  /// A row of one cell across all columns: a heading of the rows that follow.
  Table& group(std::string_view text);
  Table& cell(std::string_view text, std::string_view css_class = "");
  Table& raw(std::string_view markup);
  std::string text() const;

 private:
  void end_row();
  std::vector<bool> numeric_;
  std::string class_;
  std::string head_;
  std::string body_;
  std::size_t column_ = 0;
  bool open_ = false;
};

/// The whole page around `body`, style sheet included.
std::string page(std::string_view title, std::string_view body);

}  // namespace seneschal::lab::html
