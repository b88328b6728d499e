// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// The files below a folder, as far as somebody writes them by hand: to be compared with a later look.
struct SourceTree: Sendable, Equatable {
    /// What tells a file from what it was before.
    private struct Stamp: Equatable {
        var size: Int
        var seconds: Int
        var nanoseconds: Int
        var inode: UInt
    }

    /// More than this are no sources; the rest is not looked at.
    private static let most = 100_000

    private var files: [String: Stamp] = [:]
    /// The folder itself, and those in it.
    private(set) var folders: [String] = []

    /// Looks at the files below a folder.
    ///
    /// - Parameter ignored: What is made and not written: files, and folders with what is in them.
    init(of root: String, except ignored: [String]) {
        var open = [root]
        while let folder = open.popLast() {
            folders.append(folder)
            // One that has gone by now, or may not be read, has nothing in it.
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []  // because of that
            for name in names.sorted() where !Self.isIgnored(name) {
                let path = "\(folder)/\(name)"
                var status = stat()
                guard !ignored.contains(path), files.count + folders.count < Self.most, lstat(path, &status) == 0 else {
                    continue
                }
                if status.st_mode & S_IFMT == S_IFDIR {
                    open.append(path)
                } else {
                    files[path] = Stamp(
                        size: Int(status.st_size), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec,
                        inode: UInt(status.st_ino))
                }
            }
        }
    }

    /// What editors, version control and the build keep beside sources.
    private static func isIgnored(_ name: String) -> Bool {
        name.hasPrefix(".") || name.hasSuffix("~") || name == "Package.resolved"
    }
}
