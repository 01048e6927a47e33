import { scriptedProvider } from '../../support/scripted-provider';
import { ask, askWhole, thrownBy } from './asking';

describe('The scripted provider of the tests', () => {
  test('fails the test when a request finds no answer; the client does not try again', async () => {
    const provider = await scriptedProvider();
    expect(await thrownBy(ask(provider.url))).toMatchObject({
      code: 'model_request_refused',
      message: expect.stringContaining('Request 1 (POST /v1/chat/completions) found no answer.'),
    });
    await expect(provider.close()).rejects.toThrow('Request 1 (POST /v1/chat/completions) found no answer.');
  });

  test('fails the test when answers are left over', async () => {
    const provider = await scriptedProvider();
    provider.answer({ text: 'a' }, { text: 'b' });
    await askWhole(provider.url);
    await expect(provider.close()).rejects.toThrow('1 answers are left over.');
  });

  test('gives the answers of the queue first, then those that depend on the request', async () => {
    const provider = await scriptedProvider();
    provider.serve(({ body }) => ({ text: `about ${body.messages.at(-1)?.content}` }));
    provider.answer({ text: 'first' });
    expect((await askWhole(provider.url)).text).toBe('first');
    expect((await ask(provider.url)).reply.text).toBe('about What is 2 + 2?');
    expect(provider.requests).toHaveLength(2);
    await provider.close();
  });

  test('fails the test when what depends on the request fails', async () => {
    const provider = await scriptedProvider();
    provider.serve(() => {
      throw new Error('of the script');
    });
    await thrownBy(askWhole(provider.url));
    await expect(provider.close()).rejects.toThrow('of the script');
  });
});
