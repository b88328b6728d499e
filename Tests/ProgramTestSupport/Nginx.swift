// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// Debian's nginx, in the foreground, with a configuration of its own.
public final class Nginx {
    /// Where the program is; nil: it is not installed.
    public static var program: String? {
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"].first { access($0, X_OK) == 0 }
    }
    /// What is to be done where it is not there.
    public static let missing = "there is no nginx: `apt-get install nginx-light`, as .ci/run-full does"

    private let process = Process()
    private let folder: String

    /// Starts it and returns when somebody listens.
    ///
    /// - Parameters:
    ///   - configuration: The text of its file. What it keeps on its way is put into the folder.
    ///   - port: Where it is to listen.
    public init(_ configuration: String, in folder: String, port: Int) throws {
        guard let program = Self.program else { throw RunningEngineError(description: Self.missing) }
        self.folder = folder
        let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "    \($0)_temp_path \(folder)/\($0);\n" }.joined()
        let text = configuration.replacing("http {\n", with: "http {\n    access_log off;\n" + places)
        let path = folder + "/nginx.conf"
        try Data(text.utf8).write(to: URL(filePath: path))
        process.executableURL = URL(filePath: program)
        // As root its workers would be `nobody`, who may not read the folder of a test.
        let user = geteuid() == 0 ? "user root; " : ""
        process.arguments = [
            "-p", folder, "-c", path, "-e", folder + "/nginx.log", "-g",
            "\(user)daemon off; pid \(folder)/nginx.pid; error_log \(folder)/nginx.log warn;",
        ]
        process.standardInput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<1_000 where process.isRunning {
            if (try? WebClient(port: port)) != nil { return }  // because it may not listen yet
            usleep(10_000)
        }
        throw RunningEngineError(description: "nginx does not come up: \(log)")
    }

    /// What it has complained about.
    public var log: String {
        (try? String(contentsOfFile: folder + "/nginx.log", encoding: .utf8)) ?? ""  // because it may have said nothing
    }

    /// Stops it.
    public func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    deinit { if process.isRunning { stop() } }
}
