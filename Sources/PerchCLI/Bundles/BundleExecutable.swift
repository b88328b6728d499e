// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// The file of a bundle that is not this program itself: of another one, in any language.
struct BundleExecutable: Sendable {
    /// Absolute, so that it holds wherever processes go.
    let path: String

    /// A file that can be started.
    /// - Throws: `PerchError`: `notFound` where there is none, `invalid` for what is no file that may be executed.
    init(_ given: String) throws {
        guard !given.isEmpty else { throw PerchError(.invalid, "the path of the bundle is empty; name an executable") }
        guard !given.utf8.contains(0) else { throw PerchError(.invalid, "the path of the bundle holds a zero byte") }
        path = try Home.absolute(given)
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR {
                throw PerchError(.notFound, "there is no file \(path.shown(200)): name the bundle's executable")
            }
            throw TextFile.fault("look at", path)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let what = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
            throw PerchError(.invalid, "\(path.shown(200)) is \(what); name the bundle's executable")
        }
        guard access(path, X_OK) == 0 else {
            throw PerchError(
                .invalid, "\(path.shown(200)) may not be executed by \(Person.name); `chmod +x` allows it")
        }
    }
}
