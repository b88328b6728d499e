// SPDX-License-Identifier: Apache-2.0

/// The cells of the row on which a query of a driver stands that is not SQLite's. As in SQLite, a null is read as 0 and
/// as an empty text.
package protocol SQLCells: AnyObject {
    func isNull(_ column: Int32) -> Bool
    func int64(_ column: Int32) -> Int64
    func text(_ column: Int32) -> String
}
