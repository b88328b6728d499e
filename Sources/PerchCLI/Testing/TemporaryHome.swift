// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import PerchSDK

/// A home for one run, in a directory that nobody else can look into, and that goes with the run.
struct TemporaryHome {
    let home: Home

    init(environment: [String: String]) throws {
        // The names of sockets are short: a long directory for temporary files leaves no room for theirs.
        let directory = environment["TMPDIR"].flatMap { $0.hasPrefix("/") && $0.utf8.count < 64 ? $0 : nil } ?? "/tmp"
        var template = Array("\(directory)/perch-run-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw PerchError(
                .unavailable, "cannot make a directory in \(directory): \(String(cString: strerror(errno)))")
        }
        let path = template.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { String(cString: $0) } ?? "" }
        home = try Home(option: path, environment: [:])
    }

    /// Removes it with everything in it.
    func remove() {
        do {
            try FileManager.default.removeItem(atPath: home.path)
        } catch {
            Console.shared.say("note: \(home.path) could not be removed: \(error.localizedDescription)")
        }
    }
}
