// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory of its own for one case.
struct Place: Sendable {
    let path: String

    init(directory: String) throws {
        path = "\(directory)/perch-bench-\(getpid())-\(Monotonic.nanoseconds)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    var home: String { path + "/home" }
    var reportSocket: String { path + "/report.sock" }

    func remove() {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            FileHandle.standardError.write(Data("cannot remove \(path): \(error)\n".utf8))
        }
    }
}
