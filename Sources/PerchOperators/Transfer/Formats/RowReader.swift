// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Makes rows of bytes as they come.
protocol RowReader: AnyObject {
    func take(_ bytes: UnsafeRawBufferPointer) throws
    /// There are no more.
    func end() throws
}

extension DataFormat {
    /// - Parameter columns: The columns that are wanted; empty: all.
    func reader(into pipe: TransferPipe, _ columns: [TransferColumn]) -> any RowReader {
        switch self {
        case .csv(let format): CSVReader(format, pipe)
        case .jsonLines: JSONLinesReader(JSONRows(pipe, columns))
        case .json: JSONArrayReader(JSONRows(pipe, columns))
        }
    }

    func writer() -> any RowWriter {
        switch self {
        case .csv(let format): CSVWriter(format)
        case .jsonLines: JSONLinesWriter()
        case .json: JSONArrayWriter()
        }
    }
}

/// Makes bytes of rows.
protocol RowWriter: AnyObject {
    func begin(_ columns: [String], _ bytes: inout [UInt8])
    func row(_ row: [SQLCell], _ bytes: inout [UInt8])
    func end(_ bytes: inout [UInt8])
}

enum RowBounds {
    /// The longest row of a file, in bytes: what is longer is no row.
    static let longest = 64 << 20
}
