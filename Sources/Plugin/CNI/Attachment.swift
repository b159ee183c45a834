public import Attachments

/// One interface of one container: what a plugin's resources belong to, within the network.
public typealias Attachment = Attachments.Attachment
