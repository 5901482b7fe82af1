"""The formats of tables, by the names that HTTP gives them."""

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS = (ARROW, PARQUET)
# Where a table of one row can be had.
EXAMPLES = {"/v1/score/example.arrow": ARROW, "/v1/score/example.parquet": PARQUET}
