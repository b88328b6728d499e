// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Versions of a bundle that are kept")
struct DeployedBundleTests {
    @Test("A version that is damaged hides none of the others from the runs that are pinned to them")
    func damaged() throws {
        let folder = try Folder()
        defer { folder.remove() }
        let files = FileManager.default
        for (number, version) in [(1, "a"), (2, "b"), (3, "a")] {
            let place = "\(folder.path)/\(number)"
            try files.createDirectory(atPath: place, withIntermediateDirectories: true)
            try files.createSymbolicLink(atPath: place + "/run", withDestinationPath: "bundle/run-me")
            let text = #"{"executable":"run-me","bundle_version":"\#(version)","deployed_at":1,"by":"anna"}"#
            try Data(text.utf8).write(to: URL(filePath: place + "/version.json"))
        }
        let kept = DeployedBundle(directory: folder.path)
        #expect(kept.executable(of: "a") == "\(folder.path)/3/bundle/run-me")
        for text in ["{", "{}", nil] {
            let path = "\(folder.path)/3/version.json"
            if let text {
                try Data(text.utf8).write(to: URL(filePath: path))
            } else {
                try files.removeItem(atPath: path)
            }
            #expect(kept.executable(of: "a") == "\(folder.path)/1/bundle/run-me")
            #expect(kept.executable(of: "b") == "\(folder.path)/2/bundle/run-me")
            #expect(throws: (any Error).self) { try kept.versions() }
        }
        #expect(kept.executable(of: "c") == nil)
        #expect(DeployedBundle(directory: folder.path + "/none").executable(of: "a") == nil)
    }
}
