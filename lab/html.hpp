// A few helpers to write HTML by hand.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::lab::html {

std::string escape(std::string_view text);

/// A table built row by row; cells are escaped unless said otherwise. A column that is empty, or "-", in every row is
/// left out.
class Table {
 public:
  /// `columns` starting with '>' are numbers: aligned right.
  explicit Table(const std::vector<std::string>& columns, std::string_view css_class = "");
  Table& row(std::string_view css_class = "");
  /// A row of one cell across all columns: a heading of the rows that follow.
  Table& group(std::string_view text);
  Table& cell(std::string_view text, std::string_view css_class = "");
  Table& raw(std::string_view markup);
  std::string text() const;

 private:
  struct Column {
    std::string title;
    bool numeric = false;
    bool used = false;
  };
  struct Cell {
    std::string markup, css_class;
  };
  struct Row {
    std::string css_class;
    std::string group;  // markup; if it is not empty there are no cells
    std::vector<Cell> cells;
  };
  Table& add(std::string markup, std::string_view css_class, bool empty);

  std::string class_;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

/// One bar of a chart: what it stands for, its length, what is written at its end, and a colour of the style sheet's.
struct Bar {
  std::string label;
  double value = 0;
  std::string text;
  std::string_view css_class;
};
/// A chart of horizontal bars from 0 to the longest. Empty without bars.
std::string bars(const std::vector<Bar>& list);

/// The whole page around `body`, style sheet included.
std::string page(std::string_view title, std::string_view body);

}  // namespace seneschal::lab::html
